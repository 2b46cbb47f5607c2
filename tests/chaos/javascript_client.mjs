// A client in JavaScript that prints every event as a line.
const [module, url, agentId] = process.argv.slice(2);
const { connect } = await import(module);
const client = connect(url);
for await (const event of client.execute(agentId)) console.log(JSON.stringify(event));
client.close();
