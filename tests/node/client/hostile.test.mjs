/** Servers that send nonsense: it is ignored, or ends the connection, and never more. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { all, connect, state } from './clients.mjs';
import { completed, event, scripted, V1 } from './servers.mjs';

const IGNORED = [
  { type: 'later_invention', data: [] },
  { type: 'constructor' },
  { type: '__proto__' },
  { type: 'hasOwnProperty', request_id: '1' },
  { type: 'ping' },
  { type: 'goaway', retry_after: 'soon' },
  { type: 'goaway', retry_after: -1 },
  { type: 'auth_expiring' },
  { type: 'auth_ack', request_id: 'none' },
  { type: 'subscribed', request_id: ['none'], head_seq: 1 },
  { type: 'cancel_ack', request_id: null },
  { type: 'error', data: {} },
  { type: 'error', request_id: 7, data: { code: 'x', message: null } },
  event('nobody asked for it', 1),
  completed('nobody asked for it', 1),
  { ...event('x', 1), effect_key: {} },
  { type: 'effect_event', effect_key: 'x', seq: 1, event: 'mined', data: {} },
];
const BREAKING = [
  '', '{', 'null', '[]', '"text"', '1', '{}', '{"type":1}', '{"type":null}',
  '['.repeat(200_000),
  Buffer.from([1, 2, 3]),
  { type: 'error' },
  { type: 'error', data: 'no' },
  { type: 'execution_event' },
  { ...event('x', 2), seq: '2' },
  { ...event('x', 2), seq: 1.5 },
  { ...event('x', 2), seq: -1 },
  { ...event('x', 2), data: null },
  { ...event('x', 2), event: 1 },
  { ...event('x', 2), execution_id: {} },
  { type: 'execution_response', execution_id: 'x', seq: 2 },
  { type: 'execution_response', execution_id: 'x', seq: 2, data: {} },
  { type: 'execution_response', execution_id: 'x', data: { status: 'completed' } },
  { type: 'subscribed' },
  { type: 'execution', execution: [] },
  { type: 'executions', executions: [null] },
  { type: 'effect_event', effect_key: 'x' },
];

function shown(message) {
  return (typeof message === 'string' ? message : JSON.stringify(message)).slice(0, 80);
}

async function reading(t) {
  const server = await scripted(t);
  const client = connect(t, server.url);
  const events = all(client.execute('agent'));
  const peer = await server.peer();
  await peer.welcome();
  await peer.accept('x');
  return { server, client, events, peer };
}

test('what is no message of ours changes nothing', async (t) => {
  const { server, events, peer } = await reading(t);
  for (const message of IGNORED) peer.send(message);
  peer.send(event('x', 1));
  peer.send(completed('x', 2));
  assert.deepEqual((await events).map(({ seq }) => seq), [1, 2]);
  assert.equal(server.connections, 1);
});

for (const message of BREAKING) {
  test(`after this comes another connection: ${shown(message)}`, async (t) => {
    const { server, events, peer } = await reading(t);
    peer.send(event('x', 1));
    if (Buffer.isBuffer(message)) peer.socket.send(message);
    else peer.send(message);
    assert.equal(await peer.closed, 4000);
    const next = await server.peer();
    await next.welcome();
    assert.equal((await next.subscribed()).from_seq, 1);
    next.send(completed('x', 2));
    assert.deepEqual((await events).map(({ seq }) => seq), [1, 2]);
  });
}

for (const answer of [
  { type: 'subscribed', head_seq: 1 },
  { type: 'cancel_ack' },
  { type: 'execution', execution: {} },
]) {
  test(`an answer to another question ends the connection: ${answer.type}`, async (t) => {
    const server = await scripted(t);
    const client = connect(t, server.url);
    const execution = client.execute('agent');
    const peer = await server.peer();
    await peer.welcome();
    const { request_id } = await peer.next('execute');
    peer.send({ ...answer, request_id });
    assert.equal(await peer.closed, 4000);
    const next = await server.peer();
    await next.welcome();
    await next.accept('y');
    assert.equal((await execution.started).executionId, 'y');
  });
}

for (const message of [
  { type: 'hello_ack' },
  { type: 'hello_ack', version: 3, store_epoch: 'e', limits: {}, heartbeat: {} },
  { type: 'hello_ack', version: 2, store_epoch: 1, limits: {}, heartbeat: {} },
  { type: 'hello_ack', version: 2, store_epoch: 'e', limits: null, heartbeat: {} },
  'hello',
]) {
  test(`no connection comes of this: ${shown(message)}`, async (t) => {
    const server = await scripted(t);
    const client = connect(t, server.url);
    const peer = await server.peer();
    await peer.next('hello');
    peer.send(event('x', 1)); // before its time
    peer.send(message);
    assert.equal(await peer.closed, 4000);
    await (await server.peer()).welcome();
    await state(client, 'open');
  });
}

test('limits and a heartbeat that are none are not used', async (t) => {
  const server = await scripted(t);
  const client = connect(t, server.url);
  const peer = await server.peer();
  await peer.next('hello');
  const limits = { max_requests: 'many', max_message_bytes: null };
  const heartbeat = { lost_after: 'never' };
  peer.send({ type: 'hello_ack', version: 2, store_epoch: 'e', limits, heartbeat });
  await state(client, 'open');
  const execution = client.execute('agent');
  await peer.accept('x');
  assert.equal((await execution.started).executionId, 'x');
});

test('nonsense of a server of v1 is ignored', async (t) => {
  const server = await scripted(t, { protocols: [V1] });
  const client = connect(t, server.url);
  const peer = await server.peer();
  await state(client, 'open');
  const execution = client.execute('agent');
  await peer.next('execute');
  for (const message of [
    { type: 'execution_response' }, { type: 'execution_response', data: { status: 'late' } },
    { type: 'error' }, { type: 'other', data: {} },
  ]) peer.send(message);
  peer.send({ type: 'execution_response', data: { success: true, status: 'completed' } });
  const { outcome, results } = await execution.result();
  assert.deepEqual([outcome, results], ['succeeded', []]);
});
