// A client in JavaScript that prints every event as a line: `node javascript_client.mjs URL AGENT`.
import { connect } from '../../zephyrus_exec/static/zephyrus-exec.js';

const [url, agentId] = process.argv.slice(2);
const client = connect(url);
for await (const event of client.execute(agentId)) console.log(JSON.stringify(shown(event)));
client.close();

// As it stands in a frame: the last event keeps what it tells beside its number.
function shown({ event, seq, data, ...rest }) {
  if (event !== 'completed') return { event, seq, data };
  const { outcome, results, executionCount } = rest;
  return {
    event,
    seq,
    data: { status: event, outcome, results, execution_count: executionCount },
  };
}
