/** Adding an agent to a MoltnetNode file. What a person wrote there, comments and order included, stays. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { isMap, isSeq, parseDocument, type Document, type YAMLMap } from 'yaml';
import type { CatchUpPolicy, WakePolicy } from '../protocol/wake.ts';
import { NODE_FILES } from '../config/discover.ts';
import { loadNodeConfig, NODE_VERSION } from '../config/node.ts';
import { RUNTIMES } from '../runtimes/registry.ts';
import { ensurePrivateDir, withFileLock, writeFileAtomic } from '../config/private-files.ts';
import { Failure } from './failure.ts';

export interface NodeEntry {
  base_url: string;
  other_urls?: string[];
  network_id: string;
  agent: { id: string; name?: string };
  /** Of this attachment; mode none has none. */
  auth: { mode: 'none' | 'bearer' | 'open'; token_env?: string; token_path?: string };
  runtime: { kind: string; workspace_path: string };
  rooms: { id: string; wake: WakePolicy }[];
  /** Also change how a room is bound that the file has already. */
  rebind: boolean;
  dms: { enabled: boolean; allowed_wake_senders?: string[] };
  catch_up?: CatchUpPolicy;
}

const HEADER = ` The agents of this machine. Run them with: moltnet node start`;

/** The node file that a command means: the one named, else the one in the folder, else a new MoltnetNode there. */
export function nodeFilePath(cwd: string, named: string | undefined): string {
  if (named !== undefined && named !== '') {
    const file = path.resolve(cwd, named);
    return existsSync(file) && statSync(file).isDirectory() ? nodeFilePath(file, undefined) : file;
  }
  return path.join(cwd, NODE_FILES.find((name) => existsSync(path.join(cwd, name))) ?? NODE_FILES[0]);
}

/**
 * Puts an agent's attachment into a node file, or brings the one it has to the given runtime and rooms; its other
 * keys stay. Throws a Failure when the file is another network's, a ConfigError when it is not valid.
 */
export function upsertNodeFile(
  file: string,
  entry: NodeEntry,
  where: { cwd: string; env: NodeJS.ProcessEnv },
): 'created' | 'updated' | 'unchanged' {
  if (!existsSync(path.dirname(file))) ensurePrivateDir(path.dirname(file));
  return withFileLock(file, () => upsert(file, entry, where));
}

function upsert(
  file: string,
  entry: NodeEntry,
  where: { cwd: string; env: NodeJS.ProcessEnv },
): 'created' | 'updated' | 'unchanged' {
  const before = existsSync(file) ? readFileSync(file, 'utf8') : undefined;
  if (before !== undefined) loadNodeConfig({ ...where, path: file }, RUNTIMES);
  const json = file.endsWith('.json');
  const doc = parseDocument(before ?? '{}');
  if (before === undefined) {
    doc.contents = doc.createNode({ version: NODE_VERSION }) as never;
    if (!json) doc.commentBefore = HEADER;
  }
  const root = doc.contents;
  if (!isMap(root)) throw new Failure(`${file} is empty`, { hint: 'delete it, and run the command again' });
  setNetwork(doc, file, entry);
  setAttachment(doc, root as YAMLMap, entry);
  const text = json ? `${JSON.stringify(doc.toJS(), null, 2)}\n` : doc.toString({ lineWidth: 0 });
  if (text === before) return 'unchanged';
  const mode = before === undefined ? 0o600 : statSync(file).mode & 0o777;
  writeFileAtomic(file, text, mode);
  return before === undefined ? 'created' : 'updated';
}

function setNetwork(doc: Document, file: string, entry: NodeEntry): void {
  const url = doc.getIn(['moltnet', 'base_url']);
  const network = doc.getIn(['moltnet', 'network_id']);
  if (typeof url === 'string' && typeof network === 'string') {
    const others = doc.getIn(['moltnet', 'other_urls']);
    const known = [url, ...(isSeq(others) ? (others.toJSON() as string[]) : [])].map(bare);
    if (!known.includes(entry.base_url) || network !== entry.network_id) {
      throw new Failure(
        `${file} is for network ${network} at ${url}, not for ${entry.network_id} at ${entry.base_url}`,
        { hint: 'name another file: --node=OTHER/MoltnetNode' },
      );
    }
    if (entry.auth.mode !== 'none' && doc.getIn(['moltnet', 'auth_mode']) === 'none')
      doc.setIn(['moltnet', 'auth_mode'], entry.auth.mode);
    const more = (entry.other_urls ?? []).filter((each) => !known.includes(each));
    if (more.length > 0) doc.setIn(['moltnet', 'other_urls'], doc.createNode([...known.slice(1), ...more]));
    return;
  }
  const mode = entry.auth.mode === 'none' ? {} : { auth_mode: entry.auth.mode };
  const { base_url, other_urls, network_id } = entry;
  const network_block = { base_url, ...(other_urls && { other_urls }), network_id, ...mode };
  doc.setIn(['moltnet'], doc.createNode(network_block));
}

function setAttachment(doc: Document, root: YAMLMap, entry: NodeEntry): void {
  if (!isSeq(root.get('attachments', true))) root.set('attachments', doc.createNode([]));
  const list = root.get('attachments', true);
  if (!isSeq(list)) return;
  list.flow = false;
  const found = list.items.find((item) => isMap(item) && item.getIn(['agent', 'id']) === entry.agent.id);
  const token =
    entry.auth.token_path === undefined
      ? entry.auth.token_env === undefined
        ? undefined
        : { token_env: entry.auth.token_env }
      : { token_path: entry.auth.token_path };
  if (!isMap(found)) {
    list.items.push(
      doc.createNode({
        agent: entry.agent,
        ...(token ? { moltnet: token } : {}),
        runtime: entry.runtime,
        rooms: entry.rooms,
        dms: entry.dms,
        ...(entry.catch_up === undefined ? {} : { catch_up: entry.catch_up }),
      }),
    );
    return;
  }
  const set = (keys: string[], value: unknown): void => {
    const now = found.getIn(keys, true);
    const same =
      JSON.stringify(isMap(now) || isSeq(now) ? now.toJSON() : found.getIn(keys)) === JSON.stringify(value);
    if (!same) found.setIn(keys, typeof value === 'object' ? doc.createNode(value) : value);
  };
  if (entry.agent.name !== undefined) set(['agent', 'name'], entry.agent.name);
  set(['runtime', 'kind'], entry.runtime.kind);
  set(['runtime', 'workspace_path'], entry.runtime.workspace_path);
  set(['dms', 'enabled'], entry.dms.enabled);
  if (entry.dms.allowed_wake_senders) set(['dms', 'allowed_wake_senders'], entry.dms.allowed_wake_senders);
  if (entry.catch_up) set(['catch_up'], entry.catch_up);
  if (token) set(['moltnet'], token);
  // A room the file has keeps how it is bound; what is new is added.
  const rooms = found.get('rooms', true);
  if (!isSeq(rooms)) found.set('rooms', doc.createNode(entry.rooms));
  else {
    for (const room of entry.rooms) {
      const bound = rooms.items.find((item) => isMap(item) && item.get('id') === room.id);
      if (!bound) rooms.items.push(doc.createNode(room));
      else if (entry.rebind && isMap(bound) && bound.get('wake') !== room.wake) bound.set('wake', room.wake);
    }
  }
}

const bare = (url: string): string => url.replace(/\/+$/, '');
