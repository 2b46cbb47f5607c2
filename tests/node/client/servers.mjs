/** Servers for tests of the client: one that does what a test says, and one that keeps journals. */

import { once } from 'node:events';
import { WebSocketServer } from 'ws';

export const V2 = 'zephyrus.exec.v2.json';
export const V1 = 'zephyrus.exec.v1.json';

const LIMITS = { max_message_bytes: 1 << 20, max_requests: 100, max_subscriptions: 100 };

/** One connection, as the server sees it. */
class Peer {
  #frames = [];
  #waiting = [];

  constructor(socket, request) {
    this.socket = socket;
    this.offered = (request.headers['sec-websocket-protocol'] ?? '').split(', ').filter(Boolean);
    this.closed = once(socket, 'close').then(([code]) => code);
    socket.on('message', (data) => this.#take(JSON.parse(data.toString())));
    socket.on('error', () => {});
  }

  #take(message) {
    const waiting = this.#waiting.shift();
    if (waiting) waiting(message);
    else this.#frames.push(message);
  }

  /** Returns the next message; fails where it is of another type. */
  async next(type) {
    const message = this.#frames.shift() ?? (await new Promise((take) => this.#waiting.push(take)));
    if (type && message.type !== type) {
      throw new Error(`expected ${type}, got ${JSON.stringify(message)}`);
    }
    return message;
  }

  /** How many messages came that nobody has looked at. */
  get unread() { return this.#frames.length; }

  send(message) { this.socket.send(typeof message === 'string' ? message : JSON.stringify(message)); }
  close(code, reason) { this.socket.close(code, reason); }
  cut() { this.socket.terminate(); }

  /** Takes the hello and welcomes the client. */
  async welcome({ epoch = 'epoch-1', lostAfter = 60, limits = {} } = {}) {
    const hello = await this.next('hello');
    this.send({
      type: 'hello_ack', request_id: hello.request_id, version: 2, server: 'scripted',
      connection_id: 'c', store_epoch: epoch,
      principal: { id: 'anonymous', scopes: ['execute', 'watch'], expires_at: null },
      limits: { ...LIMITS, ...limits }, heartbeat: { ping_after: 25, lost_after: lostAfter },
    });
    return hello;
  }

  /** Takes the next execute and accepts it. */
  async accept(executionId = 'x', { replayed = false } = {}) {
    const request = await this.next('execute');
    this.send(started(request.request_id, executionId, replayed));
    return request;
  }

  /** Takes the next subscribe and confirms it. */
  async subscribed({ head = 0, terminal = false } = {}) {
    const { type, request_id, from_seq, ...topic } = await this.next('subscribe');
    this.send({ type: 'subscribed', request_id, ...topic, head_seq: head, terminal });
    return { ...topic, from_seq };
  }

  refuse(request, code, data = {}) {
    const told = { message: `no: ${code}`, code, retryable: false, ...data };
    this.send({ type: 'error', request_id: request.request_id, data: told });
  }
}

export function started(request_id, execution_id, replayed = false, store_epoch = 'epoch-1') {
  const data = { success: true, message: 'Iniciando', status: 'started', replayed };
  return { type: 'execution_response', request_id, execution_id, store_epoch, seq: 1, data };
}

export function event(execution_id, seq, name = 'progress', data = { seq }) {
  return { type: 'execution_event', execution_id, seq, at: 1.5, event: name, data };
}

export function completed(execution_id, seq, data = {}) {
  const effects = { mined: 0, finalized: 0, reverted: 0, pending: 0, displaced: 0, in_doubt: 0 };
  return {
    type: 'execution_response', execution_id, seq, at: 2.5,
    data: {
      success: true, results: [], agent_id: 'agent', execution_count: 0, status: 'completed',
      outcome: 'succeeded', error_info: null, effects, ...data,
    },
  };
}

/** Returns a server whose connections the test takes one by one with `peer()`. */
export async function scripted(test, { protocols = [V2], port = 0, ...options } = {}) {
  const handleProtocols = (offered) => protocols.find((name) => offered.has(name)) ?? false;
  const server = new WebSocketServer({ host: '127.0.0.1', port, handleProtocols, ...options });
  await once(server, 'listening');
  const peers = [];
  const waiting = [];
  let count = 0;
  server.on('connection', (socket, request) => {
    count += 1;
    const peer = new Peer(socket, request);
    const take = waiting.shift();
    if (take) take(peer);
    else peers.push(peer);
  });
  const stop = async () => {
    for (const socket of server.clients) socket.terminate();
    await new Promise((done) => server.close(done));
  };
  test.after(stop);
  return {
    url: `ws://127.0.0.1:${server.address().port}`,
    port: server.address().port,
    stop,
    get connections() { return count; },
    peer: async () => peers.shift() ?? new Promise((take) => waiting.push(take)),
  };
}

/**
 * Returns a server that keeps journals, and cuts its connections when `cuts` says so: numbers of
 * frames, of both directions, after which each connection in turn ends.
 */
export async function journaling(test, { events = 6, cuts = [] } = {}) {
  const server = await scripted(test);
  const byKey = new Map();
  const journals = new Map();
  const remaining = [...cuts];

  const accept = ({ idempotency_key: key, store_epoch: epoch }) => {
    if (!epoch) throw new Error('the epoch is missing');
    if (byKey.has(key)) return { id: byKey.get(key), replayed: true };
    const id = `execution-${byKey.size + 1}`;
    byKey.set(key, id);
    const told = Array.from({ length: events - 1 }, (_, index) => event(id, index + 1));
    journals.set(id, [...told, completed(id, events)]);
    return { id, replayed: false };
  };

  const serve = async (peer) => {
    let left = remaining.length ? remaining.shift() : Infinity;
    const count = () => {
      if (left-- > 0) return;
      peer.cut();
      throw new Cut();
    };
    const send = (message) => { count(); peer.send(message); };
    for (;;) {
      const message = await peer.next();
      count();
      if (message.type === 'hello') send(ackOf(message));
      if (message.type === 'execute') {
        const { id, replayed } = accept(message);
        send(started(message.request_id, id, replayed));
        for (const one of journals.get(id)) send(one);
      }
      if (message.type === 'subscribe') {
        const { request_id, execution_id, from_seq } = message;
        send({ type: 'subscribed', request_id, execution_id, head_seq: events, terminal: true });
        for (const one of journals.get(execution_id).slice(from_seq)) send(one);
      }
    }
  };
  const run = async () => {
    for (;;) serve(await server.peer()).catch((error) => { if (!(error instanceof Cut)) throw error; });
  };
  run();
  return {
    url: server.url, stop: server.stop,
    connections: () => server.connections, executions: () => byKey.size,
  };
}

class Cut extends Error {}

function ackOf({ request_id }) {
  return {
    type: 'hello_ack', request_id, version: 2, server: 'journaling', connection_id: 'c',
    store_epoch: 'epoch-1', principal: {}, limits: LIMITS,
    heartbeat: { ping_after: 25, lost_after: 60 },
  };
}
