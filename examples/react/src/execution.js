/**
 * Follows an execution, and tells what is to be shown of it, anew after each event.
 *
 * A state is `{phase, rows}` and, by phase:
 *
 *   requested  nobody has taken it up yet
 *   running    message: that the server has; rows: the actions so far, the last one may be under way
 *   completed  rows: what was done, in order; message: where nothing was
 *   failed     reason: why the execution did not succeed; rows: what had been done by then
 *   rejected   reason: why it was not taken up; nothing was executed
 *   lost       its end cannot be known here; it may go on
 *
 * @param {import('zephyrus-exec').Execution} execution
 * @param {(state: object) => void} tell - Called with every new state.
 * @returns {() => void} Tells nothing more; it cancels no execution.
 */
export function follow(execution, tell) {
  let state = { phase: 'requested', rows: [] };
  let left = false;
  const change = (changes) => {
    state = { ...state, ...changes };
    if (!left) tell(state);
  };

  const read = async () => {
    change({});
    const { message } = await execution.started;
    change({ phase: 'running', message });
    for await (const event of execution) {
      if (left) return;
      change(changesBy(event, state.rows));
    }
  };
  read().catch((error) => change(changesByError(error)));
  return () => { left = true; };
}

function changesBy({ event, data, ...end }, rows) {
  switch (event) {
    case 'action_started': return { rows: [...rows, { ...data, underWay: true }] };
    case 'effect_signed': return { rows: withLast(rows, data) };
    case 'action_finished': return { rows: withLast(rows, { ...data, underWay: false }) };
    case 'completed': return changesByEnd(end);
    default: return {};
  }
}

function withLast(rows, changes) {
  return [...rows.slice(0, -1), { ...rows.at(-1), ...changes }];
}

function changesByEnd({ success, results, message, error }) {
  if (success) return { phase: 'completed', rows: results, message };
  return { phase: 'failed', rows: results, reason: error };
}

const LOST = new Set(['outcome_unknown', 'execution_lost', 'execution_not_found', 'closed']);

function changesByError({ code, message }) {
  return LOST.has(code) ? { phase: 'lost' } : { phase: 'rejected', reason: message };
}
