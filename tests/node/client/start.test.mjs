/** Starting executions: once each, whatever happens to the connection. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { all, connect, state } from './clients.mjs';
import { completed, event, journaling, scripted, started } from './servers.mjs';

const UUID7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

test('an execution gives every event, and its end says what happened', async (t) => {
  const server = await scripted(t);
  const client = connect(t, server.url);
  const execution = client.execute('agent', { input: { to: 'me' } });
  const peer = await server.peer();
  await peer.welcome();
  const request = await peer.accept('x');
  assert.equal(request.agent_id, 'agent');
  assert.deepEqual(request.input, { to: 'me' });
  peer.send(event('x', 1, 'accepted'));
  const failure = { code: 'call_reverted', message: 'no', retryable: false, details: {} };
  peer.send(completed('x', 2, {
    success: false, outcome: 'failed', error: 'falló', error_info: failure, execution_count: 1,
  }));
  const [first, last, ...more] = await all(execution);
  assert.deepEqual(first, {
    event: 'accepted', executionId: 'x', seq: 1, at: 1.5, data: { seq: 1 },
  });
  assert.equal(last.event, 'completed');
  assert.deepEqual([last.outcome, last.error, last.seq], ['failed', 'falló', 2]);
  assert.deepEqual(last.errorInfo, failure);
  assert.equal(last.executionCount, 1);
  assert.deepEqual(more, []);
  assert.equal(await execution.result(), last);
  assert.equal(execution.id, 'x');
  assert.deepEqual(await execution.started, {
    executionId: 'x', storeEpoch: 'epoch-1', replayed: false, message: 'Iniciando',
  });
});

test('the result is there without reading, and may be read afterwards', async (t) => {
  const server = await journaling(t);
  const client = connect(t, server.url);
  const execution = client.execute('agent');
  assert.equal((await execution.result()).outcome, 'succeeded');
  assert.deepEqual((await all(execution)).map(({ seq }) => seq), [1, 2, 3, 4, 5, 6]);
});

test('a key is a UUID of version 7, made of the time, and another one each time', async (t) => {
  const server = await scripted(t);
  const client = connect(t, server.url);
  const [one, two] = [client.execute('agent'), client.execute('agent')];
  assert.match(one.idempotencyKey, UUID7);
  assert.match(two.idempotencyKey, UUID7);
  assert.notEqual(one.idempotencyKey, two.idempotencyKey);
  const made = parseInt(one.idempotencyKey.replaceAll('-', '').slice(0, 12), 16);
  assert.ok(Math.abs(made - Date.now()) < 10_000);
});

test('what is unanswered is sent again with its key and the epoch of the first time', async (t) => {
  const server = await scripted(t);
  const client = connect(t, server.url);
  const execution = client.execute('agent');
  const first = await server.peer();
  await first.welcome({ epoch: 'epoch-1' });
  const { idempotency_key: key, store_epoch: epoch } = await first.next('execute');
  first.cut();
  const second = await server.peer();
  await second.welcome({ epoch: 'epoch-2' });
  const again = await second.accept('x', { replayed: true });
  assert.equal(again.idempotency_key, key);
  assert.deepEqual([epoch, again.store_epoch], ['epoch-1', 'epoch-1']);
  assert.equal((await execution.started).replayed, true);
  assert.equal(execution.storeEpoch, 'epoch-1');
});

test('a key and an epoch of the caller are used', async (t) => {
  const server = await scripted(t);
  const client = connect(t, server.url);
  client.execute('agent', { idempotencyKey: 'mine', storeEpoch: 'before', deadline: new Date(5000) });
  const peer = await server.peer();
  await peer.welcome();
  const request = await peer.next('execute');
  assert.deepEqual(
    [request.idempotency_key, request.store_epoch, request.deadline], ['mine', 'before', 5]);
});

test('an input is what it was when it was given', async (t) => {
  const server = await scripted(t);
  const client = connect(t, server.url);
  const input = { amount: 1 };
  client.execute('agent', { input });
  input.amount = 2;
  const peer = await server.peer();
  await peer.welcome();
  assert.deepEqual((await peer.next('execute')).input, { amount: 1 });
  assert.throws(() => client.execute('agent', { input: 1n }), TypeError);
});

for (const code of ['outcome_unknown', 'idempotency_conflict', 'agent_not_found', 'agent_busy']) {
  test(`a refusal says why: ${code}`, async (t) => {
    const server = await scripted(t);
    const client = connect(t, server.url);
    const execution = client.execute('agent');
    const reading = assert.rejects(all(execution), { code });
    const peer = await server.peer();
    await peer.welcome();
    peer.refuse(await peer.next('execute'), code, { details: { agent_id: 'agent' } });
    await assert.rejects(execution.started, { code, details: { agent_id: 'agent' } });
    await assert.rejects(execution.result(), { code });
    await assert.rejects(execution.cancel(), { code });
    await reading;
  });
}

test('a refusal that nobody looks at ends nothing', async (t) => {
  const server = await scripted(t);
  const client = connect(t, server.url);
  client.execute('agent');
  const peer = await server.peer();
  await peer.welcome();
  peer.refuse(await peer.next('execute'), 'agent_not_found');
  const execution = client.execute('agent');
  await peer.accept('x');
  assert.equal((await execution.started).executionId, 'x');
});

test('what may be asked again after a while is asked again then, with the same key', async (t) => {
  const server = await scripted(t);
  const client = connect(t, server.url);
  const execution = client.execute('agent');
  const peer = await server.peer();
  await peer.welcome();
  const request = await peer.next('execute');
  peer.refuse(request, 'rate_limited', { retryable: true, retry_after: 0.05 });
  const again = await peer.accept('x');
  assert.equal(again.idempotency_key, request.idempotency_key);
  assert.equal((await execution.started).executionId, 'x');
});

test('what a server that shuts down refuses is for the next one', async (t) => {
  const server = await scripted(t);
  const client = connect(t, server.url);
  const execution = client.execute('agent');
  const peer = await server.peer();
  await peer.welcome();
  peer.send({ type: 'goaway', retry_after: 0.01 });
  peer.refuse(await peer.next('execute'), 'draining', { retryable: true, retry_after: 0.02 });
  peer.close(4503, 'draining');
  const next = await server.peer();
  await next.welcome();
  await next.accept('x');
  assert.equal((await execution.started).executionId, 'x');
});

test('no more requests are unanswered than the server takes', async (t) => {
  const server = await scripted(t);
  const client = connect(t, server.url);
  const executions = ['a', 'b', 'c'].map((agent) => client.execute(agent));
  const peer = await server.peer();
  await peer.welcome({ limits: { max_requests: 2 } });
  const requests = [await peer.next('execute'), await peer.next('execute')];
  await new Promise((passed) => setTimeout(passed, 30));
  assert.equal(peer.unread, 0);
  peer.send(started(requests[1].request_id, 'y'));
  const third = await peer.accept('z');
  assert.equal(third.agent_id, 'c');
  assert.equal((await executions[2].started).executionId, 'z');
});

test('what is too large for the server is told, and not sent for ever', async (t) => {
  const server = await scripted(t);
  const client = connect(t, server.url);
  const execution = client.execute('agent', { input: 'é'.repeat(600) });
  const peer = await server.peer();
  await peer.welcome({ limits: { max_message_bytes: 1000 } });
  await assert.rejects(execution.started, { code: 'too_large' });
  assert.equal(peer.unread, 0);
});

test('events that nobody reads are not sent, until somebody does', async (t) => {
  const server = await scripted(t);
  const client = connect(t, server.url);
  const execution = client.execute('agent');
  const peer = await server.peer();
  await peer.welcome();
  await peer.accept('x');
  await execution.started;
  assert.equal((await peer.next('unsubscribe')).execution_id, 'x');
  peer.send(event('x', 1));
  const reading = all(execution);
  assert.equal((await peer.subscribed({ head: 1 })).from_seq, 0);
  peer.send(event('x', 1));
  peer.send(completed('x', 2));
  assert.deepEqual((await reading).map(({ seq }) => seq), [1, 2]);
});

test('executions of one connection run at once', async (t) => {
  const server = await scripted(t);
  const client = connect(t, server.url);
  const reading = [all(client.execute('a')), all(client.execute('b'))];
  const peer = await server.peer();
  await peer.welcome();
  await peer.accept('x');
  await peer.accept('y');
  for (const message of [event('y', 1), event('x', 1), completed('y', 2), completed('x', 2)]) {
    peer.send(message);
  }
  const [one, two] = await Promise.all(reading);
  assert.deepEqual(one.map(({ executionId }) => executionId), ['x', 'x']);
  assert.deepEqual(two.map(({ executionId }) => executionId), ['y', 'y']);
});

test('the same key twice is one execution with two readers', async (t) => {
  const server = await journaling(t);
  const client = connect(t, server.url);
  const both = [1, 2].map(() => client.execute('agent', { idempotencyKey: 'same' }));
  const read = await Promise.all(both.map(all));
  for (const events of read) assert.deepEqual(events.map(({ seq }) => seq), [1, 2, 3, 4, 5, 6]);
  assert.equal(server.executions(), 1);
  assert.deepEqual((await Promise.all(both.map(({ started }) => started))).map((s) => s.replayed), [
    false, true,
  ]);
});

test('cancelling waits for the acceptance, and says what it came to', async (t) => {
  const server = await scripted(t);
  const client = connect(t, server.url);
  const execution = client.execute('agent');
  const cancelling = execution.cancel('enough');
  const peer = await server.peer();
  await peer.welcome();
  await peer.accept('x');
  await peer.next('unsubscribe'); // since nobody reads
  const { request_id, execution_id, reason } = await peer.next('cancel');
  assert.deepEqual([execution_id, reason], ['x', 'enough']);
  peer.send({ type: 'cancel_ack', request_id, execution_id, disposition: 'requested' });
  assert.equal(await cancelling, 'requested');
});

test('cut at every frame, an execution starts once and its events come once, in order', async (t) => {
  // hello, its answer, execute, its answer and six events are ten frames
  for (let first = 0; first <= 10; first++) {
    for (let second = 0; second <= 10; second++) {
      const server = await journaling(t, { cuts: [first, second] });
      const client = connect(t, server.url);
      const execution = client.execute('agent');
      const seqs = (await all(execution)).map(({ seq }) => seq);
      assert.deepEqual(seqs, [1, 2, 3, 4, 5, 6], `cut after ${first}, then ${second} frames`);
      assert.equal(server.executions(), 1);
      assert.equal((await execution.result()).outcome, 'succeeded');
      client.close();
      await server.stop();
    }
  }
});

test('a client that is closed says so to whoever waits', async (t) => {
  const server = await scripted(t);
  const client = connect(t, server.url);
  await state(client, 'connecting');
  const execution = client.execute('agent');
  const waits = [all(execution), execution.started, execution.result(), client.getExecution('x')];
  client.close();
  for (const waiting of waits) await assert.rejects(waiting, { code: 'closed' });
  await assert.rejects(client.execute('agent').started, { code: 'closed' });
  await assert.rejects(all(client.watch('x')), { code: 'closed' });
  assert.equal(client.status.state, 'closed');
});
