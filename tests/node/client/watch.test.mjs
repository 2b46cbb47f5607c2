/** Watching: what was missed comes, nothing comes twice, and who does not read costs nothing. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { all, connect, state } from './clients.mjs';
import { completed, event, journaling, scripted } from './servers.mjs';

const seqs = (events) => events.map(({ seq }) => seq);

async function opened(t, options = {}) {
  const server = await scripted(t);
  const client = connect(t, server.url, options);
  const peer = await server.peer();
  await peer.welcome();
  await state(client, 'open');
  return { server, client, peer };
}

test('watching goes on where another page was', async (t) => {
  const { client, peer } = await opened(t);
  const watching = client.watch('x', { fromSeq: 3 });
  const reading = all(watching);
  assert.deepEqual(await peer.subscribed({ head: 4 }), { execution_id: 'x', from_seq: 3 });
  peer.send(event('x', 4));
  peer.send(completed('x', 5));
  assert.deepEqual(seqs(await reading), [4, 5]);
  assert.equal((await watching.result()).outcome, 'succeeded');
  assert.deepEqual([watching.id, (await watching.started).executionId], ['x', 'x']);
});

test('after a loss it goes on behind the last event seen, and drops what comes twice', async (t) => {
  const { server, client, peer } = await opened(t);
  const reading = all(client.watch('x'));
  await peer.subscribed();
  peer.send(event('x', 1));
  peer.send(event('x', 2));
  peer.send(event('x', 2));
  peer.close(4510, 'too slow');
  const next = await server.peer();
  await next.welcome();
  assert.deepEqual(await next.subscribed(), { execution_id: 'x', from_seq: 2 });
  for (const seq of [1, 2, 3]) next.send(event('x', seq));
  next.send(completed('x', 4));
  next.send(event('x', 5));
  next.send(completed('x', 4));
  assert.deepEqual(seqs(await reading), [1, 2, 3, 4]);
});

test('a gap is not delivered: the connection is given up, and what is missing comes', async (t) => {
  const { server, client, peer } = await opened(t);
  const reading = all(client.watch('x'));
  await peer.subscribed();
  peer.send(event('x', 1));
  peer.send(event('x', 3));
  assert.equal(await peer.closed, 4000);
  const next = await server.peer();
  await next.welcome();
  assert.deepEqual(await next.subscribed(), { execution_id: 'x', from_seq: 1 });
  for (const seq of [2, 3]) next.send(event('x', seq));
  next.send(completed('x', 4));
  assert.deepEqual(seqs(await reading), [1, 2, 3, 4]);
});

for (const code of ['execution_lost', 'execution_not_found']) {
  test(`what cannot be watched says why: ${code}`, async (t) => {
    const { client, peer } = await opened(t);
    const reading = assert.rejects(all(client.watch('x', { fromSeq: 9 })), { code });
    peer.refuse(await peer.next('subscribe'), code);
    await reading;
  });
}

test('an execution that is lost during an absence says so', async (t) => {
  const { server, client, peer } = await opened(t);
  const events = client.watch('x')[Symbol.asyncIterator]();
  await peer.subscribed();
  peer.send(event('x', 1));
  assert.equal((await events.next()).value.seq, 1);
  const waiting = assert.rejects(events.next(), { code: 'execution_lost' });
  peer.cut();
  const next = await server.peer();
  await next.welcome();
  next.refuse(await next.next('subscribe'), 'execution_lost');
  await waiting;
  assert.deepEqual(await events.next(), { value: undefined, done: true });
});

test('who has seen everything already is told that there is nothing more', async (t) => {
  const { client, peer } = await opened(t);
  const reading = all(client.watch('x', { fromSeq: 7 }));
  await peer.subscribed({ head: 7, terminal: true });
  assert.deepEqual(await reading, []);
});

test('the result of what others started is asked for without its history', async (t) => {
  const { client, peer } = await opened(t);
  const result = client.watch('x').result();
  const { request_id } = await peer.next('get_execution');
  peer.send({ type: 'execution', request_id, execution: { execution_id: 'x', head_seq: 50 } });
  assert.equal((await peer.subscribed({ head: 50, terminal: true })).from_seq, 49);
  peer.send(completed('x', 50, { outcome: 'timed_out', success: false }));
  assert.equal((await result).outcome, 'timed_out');
});

test('who stops reading ends the subscription, not the execution', async (t) => {
  const { client, peer } = await opened(t);
  const execution = client.execute('agent');
  const reading = (async () => {
    for await (const { seq } of execution) if (seq === 2) break;
  })();
  await peer.accept('x');
  peer.send(event('x', 1));
  peer.send(event('x', 2));
  await reading;
  const { request_id, execution_id } = await peer.next('unsubscribe');
  assert.equal(execution_id, 'x');
  peer.send({ type: 'unsubscribed', request_id, execution_id });
  const again = all(execution);
  assert.equal((await peer.subscribed({ head: 2 })).from_seq, 0);
  for (const message of [event('x', 1), event('x', 2), completed('x', 3)]) peer.send(message);
  assert.deepEqual(seqs(await again), [1, 2, 3]);
});

test('who leaves before the server has answered is unsubscribed as well', async (t) => {
  const { client, peer } = await opened(t);
  const events = client.watch('x')[Symbol.asyncIterator]();
  const waiting = events.next();
  await events.return();
  assert.deepEqual(await waiting, { value: undefined, done: true });
  await peer.subscribed();
  assert.equal((await peer.next('unsubscribe')).execution_id, 'x');
  await events.return();
  const looking = client.getExecution('x');
  await peer.next('get_execution'); // and nothing before it
  peer.send({ type: 'execution', request_id: '3', execution: {} });
  assert.deepEqual(await looking, {});
});

test('two readers of one execution share a subscription that begins at the hindmost', async (t) => {
  const { client, peer } = await opened(t);
  const first = all(client.watch('x', { fromSeq: 2 }));
  await peer.subscribed({ head: 3 });
  peer.send(event('x', 3));
  const second = all(client.watch('x'));
  assert.equal((await peer.subscribed({ head: 3 })).from_seq, 0);
  for (const seq of [1, 2, 3]) peer.send(event('x', seq));
  peer.send(completed('x', 4));
  assert.deepEqual(seqs(await first), [3, 4]);
  assert.deepEqual(seqs(await second), [1, 2, 3, 4]);
});

test('who leaves does not take the subscription away from others', async (t) => {
  const { client, peer } = await opened(t);
  const leaving = client.watch('x')[Symbol.asyncIterator]();
  const staying = all(client.watch('x'));
  await peer.subscribed();
  await peer.subscribed();
  await leaving.return();
  peer.send(event('x', 1));
  peer.send(completed('x', 2));
  assert.deepEqual(seqs(await staying), [1, 2]);
  assert.equal(peer.unread, 0);
});

test('a reader that does not read is unsubscribed, and goes on where it was', async (t) => {
  const { client, peer } = await opened(t, { capacity: 4 });
  const events = client.watch('x')[Symbol.asyncIterator]();
  await peer.subscribed();
  for (const seq of [1, 2, 3, 4, 5, 6]) peer.send(event('x', seq));
  const { request_id } = await peer.next('unsubscribe');
  peer.send({ type: 'unsubscribed', request_id, execution_id: 'x' });
  for (const seq of [1, 2]) assert.equal((await events.next()).value.seq, seq);
  assert.equal((await peer.subscribed({ head: 7 })).from_seq, 4);
  for (const seq of [5, 6]) peer.send(event('x', seq));
  peer.send(completed('x', 7));
  assert.deepEqual(seqs(await all(events)), [3, 4, 5, 6, 7]);
});

test('the result does not wait for a reader that does not read', async (t) => {
  const server = await journaling(t, { events: 40 });
  const client = connect(t, server.url, { capacity: 4 });
  const execution = client.execute('agent');
  const events = execution[Symbol.asyncIterator]();
  assert.equal((await execution.result()).seq, 40);
  assert.deepEqual(seqs(await all(events)), Array.from({ length: 40 }, (_, index) => index + 1));
  assert.equal(server.connections(), 1);
});

test('an effect is watched until nothing can change it', async (t) => {
  const { client, peer } = await opened(t);
  const reading = all(client.watchEffect('e', { fromSeq: 1 }));
  assert.deepEqual(await peer.subscribed({ head: 1 }), { effect_key: 'e', from_seq: 1 });
  const told = (seq, name) => ({
    type: 'effect_event', effect_key: 'e', seq, at: 1, event: name, data: { block_number: 2 },
  });
  peer.send(told(2, 'mined'));
  peer.send(told(3, 'finalized'));
  const [mined, finalized, ...more] = await reading;
  assert.deepEqual(mined, { event: 'mined', effectKey: 'e', seq: 2, at: 1, data: { block_number: 2 } });
  assert.equal(finalized.event, 'finalized');
  assert.deepEqual(more, []);
});

test('executions are listed and looked at, with names as JavaScript has them', async (t) => {
  const { client, peer } = await opened(t);
  const listing = client.listExecutions({ agentId: 'agent', limit: 2, before: 'z' });
  const { request_id, ...asked } = await peer.next('list_executions');
  assert.deepEqual(asked, { type: 'list_executions', agent_id: 'agent', limit: 2, before: 'z' });
  const view = { execution_id: 'x', agent_id: 'agent', created_at: 1, error_info: null };
  peer.send({ type: 'executions', request_id, executions: [view], next: 'x' });
  const told = { executionId: 'x', agentId: 'agent', createdAt: 1, errorInfo: null };
  assert.deepEqual(await listing, { executions: [told], next: 'x' });
  const looking = client.getExecution('x');
  const request = await peer.next('get_execution');
  peer.send({ type: 'execution', request_id: request.request_id, execution: view });
  assert.deepEqual(await looking, told);
});

test('questions that a loss leaves unanswered are asked again', async (t) => {
  const { server, client, peer } = await opened(t);
  const looking = client.getExecution('x');
  await peer.next('get_execution');
  peer.cut();
  const next = await server.peer();
  await next.welcome();
  const { request_id } = await next.next('get_execution');
  next.send({ type: 'execution', request_id, execution: { execution_id: 'x' } });
  assert.deepEqual(await looking, { executionId: 'x' });
});

async function afterAnotherEpoch(t, replayedEvent) {
  const server = await scripted(t);
  const client = connect(t, server.url);
  const reader = client.watch('x')[Symbol.asyncIterator]();
  const first = await server.peer();
  await first.welcome({ epoch: 'epoch-1' });
  await first.subscribed();
  first.send(event('x', 1));
  first.send(event('x', 2));
  assert.equal((await reader.next()).value.seq, 1);
  assert.equal((await reader.next()).value.seq, 2);
  first.cut();
  const second = await server.peer();
  await second.welcome({ epoch: 'epoch-2' });
  assert.equal((await second.subscribed({ head: 3 })).from_seq, 1);
  second.send(replayedEvent);
  second.send(event('x', 3));
  return reader;
}

test('where the journal may have lost events, what follows is believed if it is the same one', async (t) => {
  const reader = await afterAnotherEpoch(t, event('x', 2));
  assert.equal((await reader.next()).value.seq, 3);
});

test('another history by the same numbers is never shown', async (t) => {
  const reader = await afterAnotherEpoch(t, event('x', 2, 'cancel_requested'));
  await assert.rejects(reader.next(), { code: 'execution_lost' });
  assert.equal((await reader.next()).done, true);
});
