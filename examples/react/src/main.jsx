import { StrictMode, useState } from 'react';
import { createRoot } from 'react-dom/client';
import { AgentExecutor } from './AgentExecutor.jsx';
import { TEXTS } from './texts.js';

const query = new URLSearchParams(location.search);
const url = query.get('server') ?? undefined;
const language = query.get('lang') === 'en' ? 'en' : 'es';

function Page() {
  const [agentId, setAgentId] = useState('8191feef-546d-46a8-a26f-b92073882f5c');
  const texts = TEXTS[language];
  return (
    <>
      <h1>{texts.title}</h1>
      <label>
        {texts.agent}
        <input id="agent" value={agentId} onChange={(event) => setAgentId(event.target.value)} />
      </label>
      <AgentExecutor agentId={agentId} url={url} language={language} />
    </>
  );
}

document.documentElement.lang = language;
createRoot(document.querySelector('main')).render(<StrictMode><Page /></StrictMode>);
