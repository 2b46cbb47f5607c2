/** What a program in TypeScript makes of the module: `tsc --strict` has to agree. */

import { Client, connect, ZephyrusError } from 'zephyrus-exec';
import type { Completed, Execution, ExecutionEvent, Status, Step } from 'zephyrus-exec';

const client: Client = connect('ws://localhost:8765', {
  token: async () => 'zx_1',
  capacity: 10,
  random: () => 0.5,
  timers: { now: () => 0 },
  WebSocket,
});

client.onstatus = ({ detail }) => { show(detail); };
client.addEventListener('status', (event) => show(event.detail));

function show(status: Status): string {
  switch (status.state) {
    case 'connecting': return '…';
    case 'open': return `v${status.version}`;
    case 'reconnecting': return `in ${status.retryIn.toFixed()} s, after ${status.code}`;
    case 'closed': return `${status.error.code} ${status.code ?? ''}`;
  }
}

export async function run(): Promise<Completed> {
  const execution: Execution = client.execute('agent', {
    input: { to: ['me'] }, deadline: new Date(), idempotencyKey: 'key', storeEpoch: 'epoch',
  });
  const { executionId, replayed }: { executionId: string | null; replayed: boolean } =
    await execution.started;
  for await (const event of execution) tell(event);
  const cancelled: 'requested' | 'already_terminal' | 'not_cancellable' = await execution.cancel();
  const key: string | undefined = execution.idempotencyKey;
  show({ state: 'reconnecting', code: 1006, reason: `${executionId}${replayed}`, retryIn: 1 });
  return cancelled === 'requested' || key ? execution.result() : client.watch('x').result();
}

function tell(event: ExecutionEvent): number {
  if (event.event === 'completed') return event.results.filter(({ success }) => success).length;
  return Object.keys(event.data).length + (event.seq ?? 0);
}

export async function look(): Promise<string[]> {
  for await (const { event, effectKey, seq } of client.watchEffect('e', { fromSeq: 1 })) {
    if (event === 'finalized') return [effectKey, seq.toFixed()];
  }
  const view = await client.getExecution('x');
  const { executions, next } = await client.listExecutions({ agentId: view.agentId, limit: 1 });
  client.close();
  return [next ?? '', ...executions.map(({ outcome }) => outcome ?? 'running')];
}

export function why(error: unknown): string {
  return error instanceof ZephyrusError ? `${error.code} ${error.retryAfter ?? 0}` : 'other';
}

export const step: Step = { event: 'progress', executionId: 'x', seq: 1, at: 1, data: {} };

// @ts-expect-error: an agent has to be named
client.execute();
// @ts-expect-error: nobody writes it
client.version = 2;
// @ts-expect-error: it is made by `connect`
new Client('ws://localhost');
// @ts-expect-error: an execution is iterated over asynchronously
for (const event of client.watch('x')) tell(event);
