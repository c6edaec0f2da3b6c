/** What a node shows to the servers that its file names beside the first one. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { startScriptedServer } from '../support/node-attach-server.ts';
import { startLabNode } from '../support/node-lab.ts';
import { temporaryFolder } from '../support/server.ts';

const TOKEN = 'magt_v1_alpha';

it('NODE-36 a server of another network, and one that is none of ours, never see the token of an agent that goes over', async () => {
  const [first, elsewhere, web, second] = await Promise.all([
    startScriptedServer(),
    startScriptedServer({ network: 'elsewhere' }),
    startScriptedServer(),
    startScriptedServer(),
  ]);
  delete web.documents['/v1/network'];
  // It tells its network only to who has a token.
  second.closed = { status: 401, code: 'unauthorized', error: 'a token, please' };
  const token_path = path.join(await temporaryFolder(), 'alpha.token');
  writeFileSync(token_path, `${TOKEN}\n`, { mode: 0o600 });
  const lab = await startLabNode(first.url, [
    {
      agent: { id: 'alpha' },
      auth: { mode: 'bearer', static_token: false, token_path },
      other_urls: [elsewhere.url, web.url, second.url],
    },
  ]);
  await lab.logged('attached');
  expect(first.asked).toEqual([`Bearer ${TOKEN}`]);
  first.refuse = 503;
  first.last.hangUp();
  await second.until(() => second.asked.length > 1);
  second.closed = undefined;
  await lab.until(() => lab.log.some(({ fields }) => fields['server'] === second.url));
  await second.until(() => second.connections.length === 1);
  expect(second.last.headers['authorization']).toBe(`Bearer ${TOKEN}`);
  for (const { asked, connections } of [elsewhere, web]) {
    expect(new Set(asked)).toEqual(new Set([undefined]));
    expect(connections).toEqual([]);
  }
});
