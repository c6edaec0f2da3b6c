import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { App } from './app.tsx';
import { ClientContext, createClient } from './live/client.ts';
import { notifyOf } from './live/notify.ts';
import './ui/base.css';
import { loadMarkdown } from './ui/markdown.tsx';

const client = createClient();
void client.start();
notifyOf(client.store);
void loadMarkdown();

createRoot(document.getElementById('root')!).render(
  <StrictMode>
    <ClientContext value={client}>
      <App />
    </ClientContext>
  </StrictMode>,
);
