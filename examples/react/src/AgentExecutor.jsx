import { useEffect, useRef, useState } from 'react';
import { startExecution } from './execution.js';
import { TEXTS } from './texts.js';

/** A button that executes an agent, and what becomes of it. */
export function AgentExecutor({ agentId, url = 'ws://localhost:8765', language = 'es' }) {
  const texts = TEXTS[language];
  const [state, execute] = useExecution(url);
  const busy = state.phase === 'connecting' || state.phase === 'running';
  return (
    <section className="executor" aria-busy={busy}>
      <button onClick={() => execute(agentId)} disabled={busy}>{texts.execute}</button>
      <p role="status">{statusOf(state, texts)}</p>
      {busy && <progress aria-label={texts[state.phase]} />}
      <Problem state={state} texts={texts} />
      {state.results?.length > 0 && <Results results={state.results} texts={texts} />}
    </section>
  );
}

function statusOf({ phase, message, results }, texts) {
  if (phase === 'completed') return message || texts.completed(results.length);
  return phase === 'connecting' || phase === 'running' ? message || texts[phase] : '';
}

/** Returns the state of the latest execution, and how to start one. */
function useExecution(url) {
  const [state, setState] = useState({ phase: 'idle' });
  const leave = useRef(() => {});
  useEffect(() => () => leave.current(), []);

  const execute = (agentId) => {
    leave.current();
    leave.current = startExecution(url, agentId, setState);
  };
  return [state, execute];
}

function Problem({ state, texts }) {
  if (!['failed', 'rejected', 'unreachable', 'lost'].includes(state.phase)) return null;
  return (
    <div role="alert">
      <strong>{texts[state.phase]}</strong>
      {state.reason ?? texts[`${state.phase}Advice`]}
    </div>
  );
}

function Results({ results, texts }) {
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
        {results.map((result, index) => <Row key={index} result={result} texts={texts} />)}
      </tbody>
    </table>
  );
}

function Row({ result, texts }) {
  return (
    <tr className={result.success ? undefined : 'failed'}>
      <td><code>{result.function_name}</code><small>{result.message}</small></td>
      <td>
        {Object.entries(result.parameters).map(([name, value]) => (
          <small key={name}>{name} = {shown(value)}</small>
        ))}
      </td>
      <td>
        <code>{result.error ?? shown(result.result)}</code>
        <small>{result.block_number !== undefined && texts.block(result.block_number)}</small>
      </td>
    </tr>
  );
}

function shown(value) {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
