/** The connection: how it is negotiated, kept up, and given up. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WebSocket as FromPackage } from 'ws';
import { all, connect, ManualTimers, state, until } from './clients.mjs';
import { completed, event, scripted, V1, V2 } from './servers.mjs';

test('both versions are offered, and the server chooses', async (t) => {
  const server = await scripted(t);
  const client = connect(t, server.url);
  const peer = await server.peer();
  assert.deepEqual(peer.offered, [V2, V1]);
  const hello = await peer.welcome();
  assert.deepEqual(hello, {
    type: 'hello', request_id: hello.request_id, versions: [2], client: 'zephyrus-js',
  });
  await state(client, 'open');
  assert.equal(client.version, 2);
  assert.equal(client.server.storeEpoch, 'epoch-1');
  assert.equal(client.server.limits.maxRequests, 100);
});

test('the package ws serves where there is no WebSocket', async (t) => {
  const server = await scripted(t);
  const client = connect(t, server.url, { WebSocket: FromPackage });
  const reading = all(client.execute('agent'));
  const peer = await server.peer();
  await peer.welcome();
  await peer.accept('x');
  peer.send(event('x', 1));
  peer.send(completed('x', 2));
  assert.equal((await reading).length, 2);
});

test('a page may give an http URL, and none may give nonsense', async (t) => {
  const server = await scripted(t);
  const client = connect(t, server.url.replace('ws:', 'http:') + '/#top');
  await (await server.peer()).welcome();
  await state(client, 'open');
  assert.throws(() => connect(t, 'localhost'), TypeError);
  assert.throws(() => connect(t, server.url, { WebSocket: null }), TypeError);
});

test('a URL that no WebSocket takes is told, and not tried again', async (t) => {
  const client = connect(t, 'ftp://localhost');
  const { error } = await state(client, 'closed');
  assert.equal(error.code, 'not_connectable');
});

for (const [kind, token] of [
  ['a text', 'zx_1'], ['a function', () => 'zx_1'], ['a promise', async () => 'zx_1'],
]) {
  test(`a token is shown in the hello: ${kind}`, async (t) => {
    const server = await scripted(t);
    connect(t, server.url, { token });
    const { auth } = await (await server.peer()).welcome();
    assert.deepEqual(auth, { scheme: 'bearer', token: 'zx_1' });
  });
}

test('a token that cannot be had is asked for again later', async (t) => {
  const server = await scripted(t);
  let asked = 0;
  const token = () => {
    if (asked++ === 0) throw new Error('not signed in');
    return 'zx_1';
  };
  const client = connect(t, server.url, { token });
  const { reason } = await state(client, 'reconnecting');
  assert.match(reason, /not signed in/);
  await (await server.peer()).welcome();
  await state(client, 'open');
});

test('a credential that ends is renewed on the connection', async (t) => {
  const server = await scripted(t);
  let count = 0;
  const client = connect(t, server.url, { token: async () => `zx_${++count}` });
  const peer = await server.peer();
  assert.equal((await peer.welcome()).auth.token, 'zx_1');
  peer.send({ type: 'auth_expiring', expires_at: 1 });
  const { request_id, ...auth } = await peer.next('auth');
  assert.deepEqual(auth, { type: 'auth', scheme: 'bearer', token: 'zx_2' });
  peer.send({ type: 'auth_ack', request_id, principal: {} });
  peer.send({ type: 'auth_expiring', expires_at: 1 });
  const refused = until(client, ({ error }) => error);
  peer.refuse(await peer.next('auth'), 'forbidden');
  const { error, ...status } = await refused;
  assert.equal(error.code, 'forbidden');
  assert.equal(status.state, 'open');
});

for (const [code, name] of [
  [4400, 'protocol'], [4401, 'unauthenticated'], [4403, 'forbidden'],
  [4406, 'unsupported_version'], [4408, 'hello_timeout'], [4499, 'refused'],
]) {
  test(`after ${code} there is no other attempt, and everybody is told: ${name}`, async (t) => {
    const server = await scripted(t);
    const client = connect(t, server.url);
    const waits = [all(client.execute('agent')), client.listExecutions(), all(client.watch('x'))];
    const told = waits.map((waiting) => assert.rejects(waiting, { code: name }));
    const peer = await server.peer();
    await peer.welcome();
    peer.close(code, 'because');
    await Promise.all(told);
    assert.equal(client.status.state, 'closed');
    assert.equal(client.status.code, code);
    assert.deepEqual(client.status.error.details, { closeCode: code, reason: 'because' });
    await assert.rejects(client.execute('agent').started, { code: name });
    assert.equal(server.connections, 1);
  });
}

test('what the server says before it closes is the reason', async (t) => {
  const server = await scripted(t);
  const client = connect(t, server.url);
  const peer = await server.peer();
  peer.refuse(await peer.next('hello'), 'unauthenticated');
  peer.close(4401);
  const { error } = await state(client, 'closed');
  assert.equal(error.code, 'unauthenticated');
  assert.equal(error.message, 'no: unauthenticated');
});

for (const code of [1000, 1001, 1011, 1012, 4503, 4504, 4510]) {
  test(`after ${code} it connects again`, async (t) => {
    const server = await scripted(t);
    const client = connect(t, server.url);
    const peer = await server.peer();
    await peer.welcome();
    await state(client, 'open');
    const lost = state(client, 'reconnecting');
    peer.close(code, 'for now');
    const status = await lost;
    assert.deepEqual([status.code, status.reason], [code, 'for now']);
    assert.equal(status.retryIn, 0.005);
    await (await server.peer()).welcome();
    await state(client, 'open');
  });
}

test('waits double to thirty seconds, and a part of them by chance', async (t) => {
  const timers = new ManualTimers();
  const { port, stop } = await scripted(t);
  await stop();
  const client = connect(t, `ws://127.0.0.1:${port}`, { timers, random: () => 0.5 });
  const waits = [];
  for (let attempt = 0; attempt < 9; attempt++) {
    const { retryIn } = await state(client, 'reconnecting');
    waits.push(retryIn);
    assert.deepEqual(timers.waits, [retryIn]);
    timers.advance(retryIn);
  }
  assert.deepEqual(waits, [0.25, 0.5, 1, 2, 4, 8, 15, 15, 15]);
});

test('a connection that lasted makes the waits short again, one that did not does not', async (t) => {
  const timers = new ManualTimers();
  const server = await scripted(t);
  const client = connect(t, server.url, { timers, random: () => 1 });
  const waits = [];
  for (const lasting of [0, 0.5, 2, 0]) {
    const peer = await server.peer();
    await peer.welcome();
    await state(client, 'open');
    timers.advance(lasting);
    peer.cut();
    const { retryIn } = await state(client, 'reconnecting');
    waits.push(retryIn);
    timers.advance(retryIn);
  }
  assert.deepEqual(waits, [0.5, 1, 0.5, 1]);
});

for (const message of [
  { type: 'goaway', retry_after: 3 },
  { type: 'error', data: { code: 'overloaded', message: '', retryable: true, retry_after: 3 } },
]) {
  test(`a server that asks for time gets it: ${message.type}`, async (t) => {
    const timers = new ManualTimers();
    const server = await scripted(t);
    const client = connect(t, server.url, { timers, random: () => 1 });
    const peer = await server.peer();
    await peer.welcome();
    peer.send(message);
    peer.close(4503, 'draining');
    const { retryIn } = await state(client, 'reconnecting');
    assert.equal(retryIn, 3.5);
    timers.advance(retryIn);
    await (await server.peer()).welcome();
    await state(client, 'open');
  });
}

test('a browser that is online again does not wait any longer', async (t) => {
  const { window } = pageOf(t);
  const timers = new ManualTimers();
  const server = await scripted(t);
  const client = connect(t, server.url, { timers });
  const peer = await server.peer();
  await peer.welcome();
  await state(client, 'open');
  window.dispatchEvent(new Event('online')); // which is no reason to leave what is there
  peer.cut();
  await state(client, 'reconnecting');
  window.dispatchEvent(new Event('online'));
  window.dispatchEvent(new Event('online'));
  await (await server.peer()).welcome();
  await state(client, 'open');
  assert.equal(server.connections, 2);
  client.close();
  window.dispatchEvent(new Event('online'));
  assert.equal(client.status.state, 'closed');
});

test('a browser that is online again waits as long as the server asked for all the same', async (t) => {
  const { window } = pageOf(t);
  const timers = new ManualTimers();
  const server = await scripted(t);
  const client = connect(t, server.url, { timers });
  const peer = await server.peer();
  await peer.welcome();
  peer.send({ type: 'goaway', retry_after: 5 });
  peer.close(4503);
  await state(client, 'reconnecting');
  window.dispatchEvent(new Event('online'));
  assert.equal(client.status.state, 'reconnecting');
  timers.advance(5);
  window.dispatchEvent(new Event('online'));
  await (await server.peer()).welcome();
  await state(client, 'open');
});

/** Lets the module see a page's window until the test ends. */
function pageOf(t) {
  const window = new EventTarget();
  for (const name of ['addEventListener', 'removeEventListener']) {
    globalThis[name] = window[name].bind(window);
    t.after(() => delete globalThis[name]);
  }
  return { window };
}

test('pings are answered, with what they hold', async (t) => {
  const server = await scripted(t);
  connect(t, server.url);
  const peer = await server.peer();
  await peer.welcome();
  peer.send({ type: 'ping', t: 123.25 });
  assert.deepEqual(await peer.next(), { type: 'pong', t: 123.25 });
});

test('a server of which nothing is heard is given up', async (t) => {
  const timers = new ManualTimers();
  const server = await scripted(t);
  const client = connect(t, server.url, { timers });
  const peer = await server.peer();
  await peer.welcome({ lostAfter: 60 });
  await state(client, 'open');
  timers.advance(59);
  peer.send({ type: 'ping', t: 1 });
  await peer.next('pong');
  timers.advance(59);
  assert.equal(client.status.state, 'open');
  timers.advance(1);
  assert.equal(client.status.state, 'reconnecting');
  assert.match(client.status.reason, /nothing was heard/);
  assert.equal(await peer.closed, 4000);
});

test('a server that does not answer the hello is given up', async (t) => {
  const timers = new ManualTimers();
  const server = await scripted(t);
  const client = connect(t, server.url, { timers });
  await (await server.peer()).next('hello');
  timers.advance(20);
  assert.equal(client.status.state, 'reconnecting');
  assert.match(client.status.reason, /no answer in time/);
});

test('the status is told as it changes, to listeners and to the handler', async (t) => {
  const server = await scripted(t);
  const client = connect(t, server.url);
  const told = [];
  client.onstatus = ({ detail }) => told.push(detail.state);
  const peer = await server.peer();
  await peer.welcome();
  await state(client, 'open');
  assert.equal(client.status.version, 2);
  peer.cut();
  await state(client, 'reconnecting');
  await (await server.peer()).welcome();
  await state(client, 'open');
  client.close();
  client.close();
  assert.deepEqual(told, ['open', 'reconnecting', 'connecting', 'open', 'closed']);
});

test('the handler of a page that throws stops nothing but itself', async (t) => {
  const uncaught = [];
  const note = (error) => uncaught.push(error.message);
  process.setUncaughtExceptionCaptureCallback(note);
  t.after(() => process.setUncaughtExceptionCaptureCallback(null));
  const server = await scripted(t);
  const client = connect(t, server.url);
  client.onstatus = () => { throw new Error('a bug of the page'); };
  const reading = all(client.execute('agent'));
  const peer = await server.peer();
  await peer.welcome();
  await peer.accept('x');
  peer.send(completed('x', 1));
  assert.equal((await reading).length, 1);
  assert.deepEqual(new Set(uncaught), new Set(['a bug of the page']));
  client.onstatus = null;
});

test('a page may close the client whenever it is told something', async (t) => {
  for (const when of ['connecting', 'open', 'reconnecting']) {
    const timers = new ManualTimers();
    const server = await scripted(t);
    const client = connect(t, server.url, { timers, random: () => 0 });
    client.onstatus = ({ detail }) => {
      if (detail.state === 'reconnecting') setImmediate(() => timers.advance(0));
      if (detail.state === when) client.close();
    };
    const peer = await server.peer();
    await peer.welcome();
    await until(client, ({ state }) => state !== 'connecting');
    peer.cut();
    await state(client, 'closed');
    assert.deepEqual(timers.waits, [], when);
  }
});

test('nothing is left that keeps a program going', async (t) => {
  const timers = new ManualTimers();
  const server = await scripted(t);
  const client = connect(t, server.url, { timers });
  client.execute('agent');
  const peer = await server.peer();
  await peer.welcome();
  peer.refuse(await peer.next('execute'), 'rate_limited', { retryable: true, retry_after: 9 });
  peer.send({ type: 'ping', t: 1 });
  await peer.next('pong');
  assert.ok(timers.waits.length > 1);
  client.close();
  assert.deepEqual(timers.waits, []);
  await peer.closed;
});
