/** A real server with three rooms and two agents, and the workspace of one of them: alpha, in general and research. */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { createClient, type Client } from '../../src/client/http.ts';
import type { MessageAccepted } from '../../src/protocol/messages.ts';
import type { MessagePage } from '../../src/protocol/pages.ts';
import { startTestServer, temporaryFolder } from './server.ts';

export interface CliLab {
  url: string;
  client: Client;
  /** alpha's workspace. */
  cwd: string;
  /** beta speaks. */
  say(text: string, room?: string, id?: string): Promise<MessageAccepted>;
  /** Texts of a conversation. */
  history(conversation?: string): Promise<string[]>;
}

export async function cliLab(): Promise<CliLab> {
  const { url } = await startTestServer({
    rooms: ['general', 'research', 'other'].map((id) => ({
      id,
      members: [],
      visibility: 'public',
      write_policy: 'registered_agents',
    })),
  });
  const client = createClient({ baseUrl: url });
  const cwd = await temporaryFolder();
  writeConfig(cwd, url);
  await client.registerAgent({ requested_agent_id: 'alpha', name: 'Alpha' });
  await client.registerAgent({ requested_agent_id: 'beta' });
  return {
    url,
    client,
    cwd,
    say: (text, room = 'general', id) =>
      client.send({
        ...(id === undefined ? {} : { id }),
        target: { kind: 'room', room_id: room },
        from: { type: 'agent', id: 'beta' },
        parts: [{ kind: 'text', text }],
      }),
    history: async (conversation = 'room:general') => texts(await client.messages(conversation)),
  };
}

/** alpha's client configuration; `more` goes over its one attachment. */
export function writeConfig(folder: string, base_url: string, more: object = {}): void {
  mkdirSync(path.join(folder, '.moltnet'), { recursive: true });
  const entry = {
    agent_name: 'Alpha',
    auth: { mode: 'none' },
    base_url,
    member_id: 'alpha',
    network_id: 'local',
    rooms: [{ id: 'general' }, { id: 'research' }],
    runtime: 'codex',
    ...more,
  };
  const config = {
    version: 'moltnet.client.v1',
    agent: { name: 'Alpha', runtime: 'codex' },
    attachments: [entry],
  };
  writeFileSync(path.join(folder, '.moltnet/config.json'), JSON.stringify(config), { mode: 0o600 });
}

export const texts = (page: MessagePage): string[] =>
  page.messages.map((message) => message.parts[0]?.text ?? '');
