import { useEffect, useRef, useState } from 'react';
import { connect } from 'zephyrus-exec';
import { follow } from './execution.js';
import { TEXTS } from './texts.js';

/** A button that executes an agent, and every step of what becomes of it. */
export function AgentExecutor({ agentId, url = 'ws://localhost:8765', language = 'es' }) {
  const texts = TEXTS[language];
  const [client, connection] = useClient(url);
  const [state, execute] = useExecution(client);
  const busy = state.phase === 'requested' || state.phase === 'running';
  return (
    <section className="executor" aria-busy={busy}>
      <button onClick={() => execute(agentId)} disabled={busy || !client}>{texts.execute}</button>
      <p role="status">{statusOf(state, connection, texts)}</p>
      {busy && <progress aria-label={texts[state.phase]} />}
      <Problem state={state} connection={connection} texts={texts} />
      {state.rows.length > 0 && <Steps rows={state.rows} texts={texts} />}
    </section>
  );
}

/** Returns a client of the server, which stays connected by itself, and how its connection is. */
function useClient(url) {
  const [client, setClient] = useState(null);
  const [connection, setConnection] = useState({ state: 'connecting' });
  useEffect(() => {
    const opened = connect(url);
    opened.onstatus = ({ detail }) => setConnection(detail);
    setClient(opened);
    return () => {
      opened.onstatus = null;
      opened.close();
    };
  }, [url]);
  return [client, connection];
}

/** Returns the state of the latest execution, and how to start one. */
function useExecution(client) {
  const [state, setState] = useState({ phase: 'idle', rows: [] });
  const leave = useRef(() => {});
  useEffect(() => () => leave.current(), [client]);

  const execute = (agentId) => {
    leave.current();
    leave.current = follow(client.execute(agentId), setState);
  };
  return [state, execute];
}

function statusOf({ phase, message, rows }, connection, texts) {
  if (phase === 'completed') return message || texts.completed(rows.length);
  if (phase !== 'requested' && phase !== 'running') return '';
  if (connection.state !== 'open') return texts.disconnected;
  return message || texts[phase];
}

function Problem({ state, connection, texts }) {
  const phase = connection.state === 'closed' ? 'refused' : state.phase;
  if (!['failed', 'rejected', 'lost', 'refused'].includes(phase)) return null;
  const reason = phase === 'refused' ? connection.error.message : state.reason;
  return (
    <div role="alert">
      <strong>{texts[phase]}</strong>
      {phase === 'lost' ? texts.lostAdvice : reason}
    </div>
  );
}

function Steps({ rows, texts }) {
  return (
    <table>
      <thead>
        <tr>
          <th scope="col">{texts.function}</th>
          <th scope="col">{texts.parameters}</th>
          <th scope="col">{texts.result}</th>
        </tr>
      </thead>
      <tbody>
        {rows.map((row, index) => <Row key={index} row={row} texts={texts} />)}
      </tbody>
    </table>
  );
}

function Row({ row, texts }) {
  return (
    <tr className={row.success === false ? 'failed' : undefined}>
      <td><code>{row.function_name}</code><small>{row.message}</small></td>
      <td>
        {Object.entries(row.parameters).map(([name, value]) => (
          <small key={name}>{name} = {shown(value)}</small>
        ))}
      </td>
      <td>
        {row.underWay ? texts.underWay : <code>{resultOf(row)}</code>}
        <small>{row.block_number !== undefined && texts.block(row.block_number)}</small>
        <small>{row.underWay && row.transaction_hash && texts.sent(row.transaction_hash)}</small>
      </td>
    </tr>
  );
}

function resultOf({ error, result }) {
  return error ? error.message ?? error : shown(result);
}

function shown(value) {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
