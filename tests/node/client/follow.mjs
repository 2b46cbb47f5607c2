/** Executes an agent, and prints each event, and then the result, as a line of JSON. */

import { connect } from 'zephyrus-exec';

const [url, agent, token] = process.argv.slice(2);
const client = connect(url, { token, random: () => 0.01 });
const execution = client.execute(agent);
try {
  for await (const event of execution) console.log(JSON.stringify(event));
  console.log(JSON.stringify(await execution.result()));
} catch ({ code }) {
  console.log(JSON.stringify({ code }));
}
client.close();
