/**
 * Executes an agent: one connection, one request, its replies.
 *
 * A state is `{phase}` and, by phase:
 *
 *   connecting
 *   running      message: that the server took it up
 *   completed    results: what was done, in order; message: where nothing was
 *   failed       reason: why the execution did not succeed, and what had been done by then
 *   rejected     reason: why it was no valid request
 *   unreachable  nothing was asked for
 *   lost         the connection ended first; the execution may go on
 *
 * @param {string} url - `ws://HOST:PORT` or `wss://…`.
 * @param {string} agentId
 * @param {(state: object) => void} tell - Called with every new state.
 * @returns {() => void} Ends the connection and tells nothing more; it cancels no execution.
 */
export function startExecution(url, agentId, tell) {
  const ws = new WebSocket(url);
  let asked = false;
  let over = false;

  const leave = () => {
    over = true;
    ws.close();
  };

  ws.onopen = () => {
    asked = true;
    ws.send(JSON.stringify({ type: 'execute', agent_id: agentId }));
    tell({ phase: 'running', message: '' });
  };
  ws.onmessage = (event) => {
    if (over) return;
    const state = stateAfter(JSON.parse(event.data));
    if (state.phase !== 'running') leave();
    tell(state);
  };
  ws.onclose = () => {
    if (!over) tell({ phase: asked ? 'lost' : 'unreachable' });
  };

  tell({ phase: 'connecting' });
  return leave;
}

function stateAfter({ type, data = {} }) {
  if (type === 'error') return { phase: 'rejected', reason: data.message };
  if (data.status === 'started') return { phase: 'running', message: data.message };
  if (!data.success) return { phase: 'failed', reason: data.error };
  return { phase: 'completed', results: data.results, message: data.message };
}
