import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { attachmentConfig } from '../../test/support/node-lab-config.ts';
import { temporaryFolder } from '../../test/support/server.ts';
import { prepareWorkspace } from './workspace.ts';

interface Written {
  attachments: { rooms: Record<string, unknown>[]; auth: Record<string, unknown>; base_url: string }[];
}

it('NODE-11 what a person put into the entry stays, what the node says is written', async () => {
  const workspace_path = await temporaryFolder();
  const file = path.join(workspace_path, '.moltnet', 'config.json');
  const attachment = attachmentConfig('http://127.0.0.1:1', {
    agent: { id: 'alpha' },
    runtime: { kind: 'codex', workspace_path },
  });
  expect(prepareWorkspace(attachment)).toEqual({ flags: '' });
  expect(statSync(file).mode & 0o777).toBe(0o600);

  const before = JSON.parse(readFileSync(file, 'utf8')) as Written;
  before.attachments[0]!.rooms = [
    { id: 'general', wake: 'never', can_write: false },
    { id: 'announcements' },
  ];
  before.attachments[0]!.auth = { mode: 'none', token_env: 'MY_TOKEN' };
  writeFileSync(file, JSON.stringify(before));
  prepareWorkspace({ ...attachment, base_url: 'http://127.0.0.1:2' });

  const [entry] = (JSON.parse(readFileSync(file, 'utf8')) as Written).attachments;
  expect(entry).toMatchObject({
    base_url: 'http://127.0.0.1:2',
    auth: { mode: 'none', token_env: 'MY_TOKEN' },
  });
  expect(entry!.rooms).toEqual([{ id: 'general', wake: 'all', can_write: false }, { id: 'announcements' }]);
});

it('NODE-16 a workspace that is gone is not made anew: the agent would work in an empty folder', async () => {
  const workspace_path = path.join(await temporaryFolder(), 'project');
  const runtime = { kind: 'codex', workspace_path };
  expect(() =>
    prepareWorkspace(attachmentConfig('http://127.0.0.1:1', { agent: { id: 'alpha' }, runtime })),
  ).toThrow(/project is not a folder; make it, or correct runtime\.workspace_path/);
  expect(existsSync(workspace_path)).toBe(false);
});
