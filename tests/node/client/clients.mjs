/** Clients for tests: of the module as it is shipped, in a hurry, and closed with the test. */

import { connect as connectTo } from 'zephyrus-exec';

/** Returns a client that waits a hundredth of what it waits elsewhere. */
export function connect(test, url, options = {}) {
  const client = connectTo(url, { random: () => 0.01, ...options });
  test.after(() => client.close());
  return client;
}

/** Returns everything an async iterable gives. */
export async function all(iterable) {
  const found = [];
  for await (const one of iterable) found.push(one);
  return found;
}

/** Returns the first status for which this holds. */
export function until(client, holds) {
  if (holds(client.status)) return Promise.resolve(client.status);
  return new Promise((resolve) => {
    client.addEventListener('status', function listen({ detail }) {
      if (!holds(detail)) return;
      client.removeEventListener('status', listen);
      resolve(detail);
    });
  });
}

export function state(client, name) {
  return until(client, (status) => status.state === name);
}

/** Timers that ring when the test says so; `now` is theirs. */
export class ManualTimers {
  #timers = new Map();
  #last = 0;
  #now = 0;

  setTimeout = (act, delay) => {
    this.#timers.set(++this.#last, { act, at: this.#now + delay, delay });
    return this.#last;
  };
  clearTimeout = (timer) => void this.#timers.delete(timer);
  now = () => this.#now;

  /** Seconds until each timer rings. */
  get waits() { return [...this.#timers.values()].map(({ at }) => (at - this.#now) / 1000); }

  advance(seconds) {
    this.#now += 1000 * seconds;
    for (const [timer, { act, at }] of [...this.#timers]) {
      if (at <= this.#now && this.#timers.delete(timer)) act();
    }
  }
}
