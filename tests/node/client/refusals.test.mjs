/** What is refused, for good or for a while, and what the server could not even have read. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { all, connect, ManualTimers, state, until } from './clients.mjs';
import { completed, event, scripted } from './servers.mjs';

function nested(levels) {
  let value = 1;
  for (let i = 0; i < levels; i++) value = [value];
  return value;
}

test('an input that nests deeper than the server reads is refused, and nothing is sent', async (t) => {
  const server = await scripted(t);
  const client = connect(t, server.url);
  const peer = await server.peer();
  await peer.welcome({ limits: { max_message_depth: 8 } });
  const execution = client.execute('agent', { input: nested(8) });
  await assert.rejects(execution.started, { code: 'too_large' });
  client.execute('fits', { input: nested(7) });
  assert.equal((await peer.next('execute')).agent_id, 'fits');
});

for (const input of ['\ud800', { '\udfff': 1 }, ['\\\ud83d']]) {
  test(`half a surrogate pair is refused, and nothing is sent: ${JSON.stringify(input)}`, async (t) => {
    const server = await scripted(t);
    const client = connect(t, server.url);
    const peer = await server.peer();
    await peer.welcome();
    await assert.rejects(client.execute('agent', { input }).started, { code: 'invalid_json' });
    client.execute('fits', { input: '😀 \\ud800' });
    assert.deepEqual((await peer.next('execute')).input, '😀 \\ud800');
  });
}

test('a deadline that is no time is an error, and never no deadline', async (t) => {
  const server = await scripted(t);
  const client = connect(t, server.url);
  for (const deadline of [new Date('never'), NaN, Infinity, 'tomorrow']) {
    assert.throws(() => client.execute('agent', { deadline }), TypeError);
  }
});

for (const code of ['overloaded', 'store_unavailable']) {
  test(`what may have been accepted is not refused by ${code}, and is asked for again`, async (t) => {
    const server = await scripted(t);
    const timers = new ManualTimers();
    const client = connect(t, server.url, { timers });
    const execution = client.execute('agent');
    const first = await server.peer();
    await first.welcome();
    const { idempotency_key: key } = await first.next('execute');
    first.cut();
    await state(client, 'reconnecting');
    timers.advance(1);
    const second = await server.peer();
    await second.welcome();
    second.refuse(await second.next('execute'), code, { retryable: true });
    while (!timers.waits.some((wait) => wait <= 1)) await new Promise((go) => setImmediate(go));
    timers.advance(1);
    const again = await second.accept('x', { replayed: true });
    assert.equal(again.idempotency_key, key);
    assert.equal((await execution.started).executionId, 'x');
  });
}

test('what was sent once is refused when the server is overloaded', async (t) => {
  const server = await scripted(t);
  const client = connect(t, server.url);
  const execution = client.execute('agent');
  const peer = await server.peer();
  await peer.welcome();
  peer.refuse(await peer.next('execute'), 'overloaded', { retryable: true });
  await assert.rejects(execution.started, { code: 'overloaded' });
});

test('a commit that may have happened is asked for again by its key', async (t) => {
  const server = await scripted(t);
  const timers = new ManualTimers();
  const client = connect(t, server.url, { timers });
  const execution = client.execute('agent');
  const peer = await server.peer();
  await peer.welcome();
  const request = await peer.next('execute');
  peer.refuse(request, 'commit_unknown', { retryable: true });
  while (!timers.waits.some((wait) => wait <= 1)) await new Promise((go) => setImmediate(go));
  timers.advance(1);
  assert.equal((await peer.accept('x')).idempotency_key, request.idempotency_key);
  await execution.started;
});

test('an unsubscribe that was refused for a while ends no later subscription', async (t) => {
  const server = await scripted(t);
  const client = connect(t, server.url);
  const peer = await server.peer();
  await peer.welcome();
  const first = client.watch('x')[Symbol.asyncIterator]();
  await peer.subscribed();
  await first.return();
  peer.refuse(await peer.next('unsubscribe'), 'rate_limited', { retryable: true, retry_after: 0.05 });
  const reading = all(client.watch('x'));
  await peer.subscribed();
  await new Promise((done) => setTimeout(done, 150));
  assert.equal(peer.unread, 0);
  peer.send(completed('x', 1));
  assert.equal((await reading).length, 1);
});

test('an execution that the server has forgotten fails its readers, and nobody else', async (t) => {
  const server = await scripted(t);
  const client = connect(t, server.url);
  const execution = client.execute('agent');
  const reading = assert.rejects(all(execution), { code: 'execution_not_found' });
  const peer = await server.peer();
  await peer.welcome();
  await peer.accept('x', { replayed: true });
  const other = all(client.watch('y'));
  await peer.subscribed();
  const details = { execution_id: 'x' };
  const data = { message: 'gone', code: 'execution_not_found', retryable: false, details };
  peer.send({ type: 'error', data });
  await reading;
  peer.send(event('y', 1));
  peer.send(completed('y', 2));
  assert.equal((await other).length, 2);
});

test('a credential that ended while nobody looked is replaced where there may be another', async (t) => {
  const server = await scripted(t);
  const tokens = ['old', 'new'];
  const client = connect(t, server.url, { token: () => tokens.shift() });
  const first = await server.peer();
  await first.welcome();
  await state(client, 'open');
  first.close(4401, 'the credential has ended');
  const second = await server.peer();
  assert.equal((await second.welcome()).auth.token, 'new');
  await until(client, ({ state: now }) => now === 'open');
});

test('a new credential that is refused as well is the end', async (t) => {
  const server = await scripted(t);
  const client = connect(t, server.url, { token: () => 'old' });
  const first = await server.peer();
  await first.welcome();
  await state(client, 'open');
  first.close(4401);
  const second = await server.peer();
  await second.next('hello');
  second.close(4401);
  assert.equal((await state(client, 'closed')).code, 4401);
});
