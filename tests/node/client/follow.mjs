/** Executes an agent, or watches an execution, and prints each event as a line of JSON. */

import { connect } from 'zephyrus-exec';

const [url, agent] = process.argv.slice(2);
const client = connect(url, { random: () => 0.01 });
const execution = client.execute(agent);
for await (const event of execution) console.log(JSON.stringify(event));
console.log(JSON.stringify(await execution.result()));
client.close();
