/** The channel `moltnet` of OpenClaw: its accounts, what they hear, and what they say. */
import path from 'node:path';
import { TARGET_FORMS } from '../../../src/client/targets.ts';
import type { AttachmentConfig } from '../../../src/config/types.ts';
import { Attachment } from '../../../src/node/attachment.ts';
import { pause } from '../../../src/node/backoff.ts';
import { logLine } from '../../../src/node/log-line.ts';
import { nodeTimes, type NodeTimes } from '../../../src/node/times.ts';
import { Turns } from '../../../src/node/turns.ts';
import { readTarget } from '../../../src/client/targets.ts';
import { accountIds, accountOf, CHANNEL, readAccount, sharesToken } from './account.ts';
import { bareTarget, chatKind, conversationOf, normalizedTarget } from './conversations.ts';
import type {
  AccountContext,
  ChannelPlugin,
  MessageAction,
  OpenClawConfig,
  OutboundRoute,
  PluginRuntime,
  ToolResult,
} from './openclaw-api.ts';
import { ourSession, sessionOf } from './session.ts';
import { read, say, type Said } from './speak.ts';
import { createTurns } from './turns.ts';

/** @param runtime what OpenClaw has registered the plugin with last */
export function createChannel(runtime: () => PluginRuntime, times: NodeTimes = nodeTimes): ChannelPlugin {
  const account = (cfg: OpenClawConfig, accountId: string | null | undefined): AttachmentConfig =>
    readAccount(cfg, accountId, { stateDir: runtime().state.resolveStateDir() });

  return {
    id: CHANNEL,
    meta: {
      id: CHANNEL,
      label: 'Moltnet',
      selectionLabel: 'Moltnet',
      docsPath: '/channels/moltnet',
      blurb: 'Rooms, threads and DMs with other agents.',
    },
    capabilities: { chatTypes: ['direct', 'channel', 'thread'] },
    reload: { configPrefixes: [`channels.${CHANNEL}`] },
    config: {
      listAccountIds: accountIds,
      resolveAccount: accountOf,
      inspectAccount: accountOf,
      isConfigured: ({ configured }) => configured,
      isEnabled: ({ enabled }) => enabled,
    },
    messaging: {
      targetPrefixes: [CHANNEL],
      normalizeTarget: normalizedTarget,
      inferTargetChatType: ({ to }) => chatKind(bareTarget(to)),
      targetResolver: {
        looksLikeId: (raw) => normalizedTarget(raw) !== undefined,
        hint: TARGET_FORMS,
      },
      resolveOutboundSessionRoute: ({ cfg, agentId, accountId, target }) =>
        outboundRoute(account(cfg, accountId), agentId, target),
    },
    outbound: {
      deliveryMode: 'direct',
      resolveTarget: ({ to = '' }) => {
        const target = normalizedTarget(to);
        return target === undefined
          ? { ok: false, error: new Error(`${JSON.stringify(to)} is not a target: ${TARGET_FORMS}`) }
          : { ok: true, to: target };
      },
      sendText: async ({ cfg, to, text, accountId, deliveryQueueId, deliveryPartIndex = 0 }) => {
        const key = deliveryQueueId === undefined ? undefined : `${deliveryQueueId}#${deliveryPartIndex}`;
        const { message_id } = await say(account(cfg, accountId), to, text, { key });
        return { channel: CHANNEL, messageId: message_id };
      },
    },
    actions: {
      describeMessageTool: () => ({ actions: ['send', 'read'] }),
      supportsAction: ({ action }) => action === 'send' || action === 'read',
      handleAction: async (call) => act(call, account(call.cfg, call.accountId)),
    },
    gateway: { startAccount: (context) => startAccount(context, runtime(), times) },
  };
}

/** Holds the account's attachment until OpenClaw takes it away. Throws a ConfigError for a block with mistakes. */
async function startAccount(
  context: AccountContext,
  runtime: PluginRuntime,
  times: NodeTimes,
): Promise<void> {
  const { accountId, abortSignal } = context;
  const stateDir = runtime.state.resolveStateDir();
  const config = readAccount(context.cfg, accountId, { stateDir });
  const tell = (fields: Record<string, unknown>): void =>
    context.setStatus({ ...context.getStatus(), accountId, ...fields });
  const turns = new Turns(config.runtime.max_turns ?? 1);
  const attachment = new Attachment({
    config,
    runtime: (given) =>
      createTurns(given, {
        accountId,
        runtime,
        cfg: () => runtime.config.current(),
      }),
    moltnetBin: '',
    stateDir: path.join(config.runtime.workspace_path!, '.moltnet', 'node'),
    env: process.env,
    turns,
    times,
    workspaceMax: () => config.runtime.max_turns ?? 1,
    withheld: () => [],
    sharesToken: () => sharesToken(runtime.config.current(), accountId, { stateDir }),
    log: (level, message, fields) => context.log?.[level]?.(logLine(message, fields)),
    stuck: (problems) => tell({ lastError: problems?.join('; ') ?? null }),
    // Never `connected: false`: OpenClaw would begin the account anew, and end its turns for a server that is away.
    attached: (is) => tell({ lifecycle: is ? 'ready' : 'recovering' }),
  });
  tell({ running: true, lifecycle: 'starting', lastError: null });
  attachment.start();
  await pause(Infinity, abortSignal);
  await attachment.stop();
  tell({ running: false, lifecycle: 'stopped' });
}

/** A message that goes to another conversation is noted in that one's session, and not in a new one. */
function outboundRoute(account: AttachmentConfig, agentId: string, target: string): OutboundRoute | null {
  const named = readTarget(bareTarget(target));
  const conversation = 'problem' in named ? undefined : conversationOf(named, account);
  if (conversation === undefined) return null;
  const session = sessionOf(account, conversation, agentId);
  const kind = chatKind(conversation);
  return {
    sessionKey: session,
    baseSessionKey: session,
    peer: { kind, id: conversation },
    chatType: kind,
    from: `${CHANNEL}:${conversation}`,
    to: conversation,
  };
}

/** A call of the message tool. Throws an Error, which the agent reads. */
async function act(
  { action, params, sessionKey: session, toolContext, dryRun }: MessageAction,
  account: AttachmentConfig,
): Promise<ToolResult> {
  const here = toolContext?.currentChannelProvider === CHANNEL ? toolContext.currentChannelId : undefined;
  const to = textOf(params['to']) ?? textOf(params['target']) ?? here;
  if (to === undefined) throw new Error(`a target is missing: ${TARGET_FORMS}`);
  if (action === 'read') {
    const limit = Number(params['limit']);
    return result(await read(account, to, Number.isInteger(limit) && limit > 0 ? limit : undefined));
  }
  if (action !== 'send') throw new Error(`Moltnet has no ${action}: it knows send and read`);
  const text = textOf(params['message']) ?? '';
  if (dryRun) return result('dry run: nothing was sent');
  const said: Said = await say(account, to, text, {
    key: textOf(params['idempotencyKey']),
    session: session ? ourSession(account, session) : undefined,
  });
  return result(`sent to ${said.conversation} as ${account.agent.id}: ${said.message_id}`, {
    ok: true,
    messageId: said.message_id,
  });
}

const textOf = (value: unknown): string | undefined =>
  typeof value === 'string' && value.trim() !== '' ? value : undefined;
const result = (text: string, details: Record<string, unknown> = { ok: true }): ToolResult => ({
  content: [{ type: 'text', text }],
  details,
});
