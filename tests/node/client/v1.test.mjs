/** Servers that speak v1 only: what works there works, and what is missing says so. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { all, connect, state } from './clients.mjs';
import { scripted, V1, V2 } from './servers.mjs';

const UNKNOWN = { type: 'error', data: { message: 'Tipo de mensaje no reconocido: hello' } };

const reply = (data) => ({ type: 'execution_response', data });
const STARTED = reply({ success: true, message: 'Iniciando', status: 'started' });
const ENDED = reply({
  success: true, results: [{ function_name: 'mint' }], agent_id: 'a', execution_count: 1,
  status: 'completed',
});

/** Returns a client and the server's side of its connection. */
async function opened(t) {
  const server = await scripted(t, { protocols: [V1] });
  const client = connect(t, server.url);
  const peer = await server.peer();
  await state(client, 'open');
  return { server, client, peer };
}

test('an execution is started and ends, without an id', async (t) => {
  const { client, peer } = await opened(t);
  assert.equal(client.version, 1);
  const execution = client.execute('a');
  const reading = all(execution);
  assert.deepEqual(await peer.next(), { type: 'execute', agent_id: 'a' });
  peer.send(STARTED);
  assert.deepEqual(await execution.started, {
    executionId: null, storeEpoch: undefined, replayed: false, message: 'Iniciando',
  });
  peer.send(ENDED);
  const [first, last] = await reading;
  assert.deepEqual([first.event, first.data], ['started', { message: 'Iniciando' }]);
  assert.deepEqual([last.event, last.outcome, last.error], ['completed', 'succeeded', null]);
  assert.deepEqual(last.results, [{ function_name: 'mint' }]);
  assert.equal(last.executionCount, 1);
  assert.equal(await execution.result(), last);
  assert.deepEqual(await all(execution), [first, last]);
});

test('a failure is an outcome, and a rejection an error', async (t) => {
  const { client, peer } = await opened(t);
  const failing = client.execute('a');
  await peer.next('execute');
  peer.send(STARTED);
  peer.send(reply({ success: false, error: 'falló', agent_id: 'a', status: 'completed' }));
  const { outcome, error, results, effects } = await failing.result();
  assert.deepEqual([outcome, error, results, effects], ['failed', 'falló', [], null]);
  const rejected = client.execute('');
  await peer.next('execute');
  peer.send({ type: 'error', data: { message: 'Se requiere agent_id' } });
  await assert.rejects(rejected.result(), { code: 'invalid_request', message: /agent_id/ });
});

test('executions follow one another', async (t) => {
  const { client, peer } = await opened(t);
  const both = ['a', 'b'].map((agent) => client.execute(agent));
  assert.equal((await peer.next()).agent_id, 'a');
  peer.send(STARTED);
  await both[0].started;
  assert.equal(peer.unread, 0);
  peer.send(ENDED);
  assert.equal((await peer.next()).agent_id, 'b');
  peer.send(STARTED);
  peer.send(ENDED);
  await both[1].result();
});

test('what v1 does not know says so', async (t) => {
  const { client, peer } = await opened(t);
  const missing = { code: 'not_supported', message: /v1 only/ };
  await assert.rejects(all(client.watch('x')), missing);
  await assert.rejects(client.watch('x').result(), missing);
  await assert.rejects(all(client.watchEffect('e')), missing);
  await assert.rejects(client.listExecutions(), missing);
  await assert.rejects(client.getExecution('x'), missing);
  for (const options of [{ input: 1 }, { deadline: 9 }, { idempotencyKey: 'k' }]) {
    await assert.rejects(client.execute('a', options).started, missing);
  }
  const execution = client.execute('a');
  await peer.next('execute');
  peer.send(STARTED);
  await assert.rejects(execution.cancel(), missing);
  peer.send(ENDED);
  assert.equal((await execution.result()).outcome, 'succeeded');
});

test('what ran when the connection was lost is not asked for again', async (t) => {
  const { server, client, peer } = await opened(t);
  const [unanswered, waiting] = ['a', 'b'].map((agent) => client.execute(agent));
  await peer.next('execute');
  peer.cut();
  await assert.rejects(unanswered.started, { code: 'outcome_unknown' });
  await assert.rejects(all(unanswered), { code: 'outcome_unknown' });
  const next = await server.peer();
  assert.equal((await next.next('execute')).agent_id, 'b');
  next.send(STARTED);
  await waiting.started;
  const result = assert.rejects(waiting.result(), { code: 'outcome_unknown' });
  next.cut();
  await result;
  await server.peer();
  await state(client, 'open');
});

test('with a token it connects again and shows it as v1 does', async (t) => {
  const server = await scripted(t, { protocols: [V1] });
  const client = connect(t, server.url, { token: 'zx_~?>' });
  assert.deepEqual((await server.peer()).offered, [V2, V1]);
  const peer = await server.peer();
  assert.deepEqual(peer.offered, [V1, 'zephyrus.auth.bearer.enhffj8-']);
  await state(client, 'open');
  peer.cut();
  const again = await server.peer();
  assert.deepEqual(again.offered, [V1, 'zephyrus.auth.bearer.enhffj8-']);
});

/** Returns a server that knows no subprotocols, as the seed's, and refuses whoever offers some. */
function seed(t, options = {}) {
  const verifyClient = ({ req }) => !req.headers['sec-websocket-protocol'];
  return scripted(t, { protocols: [], verifyClient, ...options });
}

test('a server that takes no subprotocols is asked plainly, and may know v2', async (t) => {
  const server = await seed(t);
  const client = connect(t, server.url);
  const peer = await server.peer();
  assert.deepEqual(peer.offered, []);
  await peer.welcome();
  await state(client, 'open');
  assert.equal(client.version, 2);
});

test('a server that knows no hello is spoken to in v1, and not greeted again', async (t) => {
  const server = await seed(t);
  const client = connect(t, server.url);
  const peer = await server.peer();
  await peer.next('hello');
  peer.send(UNKNOWN);
  await state(client, 'open');
  assert.equal(client.version, 1);
  peer.cut();
  const next = await server.peer();
  const execution = client.execute('a');
  await next.next('execute');
  next.send(STARTED);
  next.send(ENDED);
  assert.equal((await execution.result()).outcome, 'succeeded');
});

test('a server that became a newer one meanwhile is found out', async (t) => {
  const old = await seed(t);
  const client = connect(t, old.url);
  const peer = await old.peer();
  await peer.next('hello');
  peer.send(UNKNOWN);
  await state(client, 'open');
  const lost = state(client, 'reconnecting');
  await old.stop();
  await lost;
  await new Promise((passed) => setTimeout(passed, 50)); // some attempts at nobody
  const server = await scripted(t, { port: old.port });
  await (await server.peer()).welcome();
  await state(client, 'open');
  assert.equal(client.version, 2);
});

test('what was sent by v2 is not sent again to a server that became an older one', async (t) => {
  const server = await scripted(t);
  const client = connect(t, server.url);
  const asked = client.execute('a');
  const watched = all(client.watch('x'));
  const peer = await server.peer();
  await peer.welcome();
  await peer.next('execute');
  await peer.subscribed();
  const told = [
    assert.rejects(asked.started, { code: 'outcome_unknown' }),
    assert.rejects(watched, { code: 'not_supported' }),
  ];
  await server.stop();
  const old = await scripted(t, { protocols: [V1], port: server.port });
  const next = await old.peer();
  await Promise.all(told);
  assert.equal(next.unread, 0);
});
