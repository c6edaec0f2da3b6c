/** What the end of a message in Claude Code means for its turn. */
import { howEnded } from './child.ts';
import type { ClaudeResult, MessageEnd } from './claude-process.ts';
import { keepAfterTurn, type CliTurn } from './cli-runtime.ts';
import { endedWell, type Failed, type TurnOutcome, type TurnUsage } from './runtime.ts';

/** How a turn ended, by what the process said of it. */
export function outcomeOf(
  turn: CliTurn,
  id: string,
  end: Exclude<MessageEnd, { kind: 'known' }>,
  expired: string | undefined,
  before: TurnUsage | undefined,
): TurnOutcome {
  const { result } = end;
  const usage = usageOf(result, before);
  const total = result?.total_cost_usd;
  keepAfterTurn(turn, id, total === undefined ? undefined : { cost_usd: total });
  const done = end.kind === 'ended' && end.completed && !result?.is_error;
  // What came to its end all the same would be run a second time.
  if (expired !== undefined && !done)
    return {
      state: 'failed',
      permanent: false,
      cause: 'timeout',
      reason: `Claude Code was ended: ${expired}`,
      ...usage,
    };
  // A session that cannot be opened says so in a result too, and says why on stderr.
  if (result?.is_error && (end.kind === 'ended' || end.started))
    return { state: 'failed', ...failureOf(result), ...usage };
  if (end.kind === 'ended' && end.completed) return endedWell(result?.text, usage);
  if (end.kind === 'ended')
    return {
      state: 'failed',
      permanent: false,
      cause: 'crashed',
      reason: 'Claude Code cancelled the turn',
      ...usage,
    };
  const when = end.started ? 'in the middle of the turn' : 'before it took the message';
  const reason = `Claude Code ended ${howEnded(end.exit)} ${when}${end.stderr ? `: ${end.stderr}` : ''}`;
  const wrongArgs = /unknown option|argument missing|is invalid/i.test(end.stderr);
  return {
    state: 'failed',
    permanent: wrongArgs,
    cause: wrongArgs ? 'config' : 'crashed',
    reason: wrongArgs ? `${reason}; correct runtime.args` : reason,
  };
}

/** Failures that stay until a person does something, and what that is. */
function failureOf(result: ClaudeResult): Omit<Failed, 'state' | 'usage'> {
  const reason = result.text || `the turn failed (${result.subtype})`;
  const status = result.api_error_status;
  const login =
    status === 401 || status === 403 || /not logged in|please run \/login|invalid api key/i.test(reason);
  if (login)
    return {
      permanent: true,
      cause: 'not_logged_in',
      reason: `${reason}; log in by running \`claude\` once as the user of this node, or give the node ANTHROPIC_API_KEY`,
    };
  if (status === 404)
    return {
      permanent: true,
      cause: 'model',
      reason: `${reason}; name a model that this account has, by runtime.args ["--model", …]`,
    };
  const patience = status === 429 || /usage limit|rate limit|hit your .{0,20}limit/i.test(reason);
  return { permanent: false, cause: patience ? 'rate_limited' : 'model', reason };
}

/** Tokens are counted per turn, the cost over the whole session: a turn's is known when the cost before it is. */
function usageOf(result: ClaudeResult | undefined, before: TurnUsage | undefined): { usage?: TurnUsage } {
  if (!result || result.input_tokens === undefined) return {};
  const cost =
    result.total_cost_usd === undefined || !before ? -1 : result.total_cost_usd - (before.cost_usd ?? 0);
  return {
    usage: {
      input_tokens: result.input_tokens,
      ...(result.output_tokens === undefined ? {} : { output_tokens: result.output_tokens }),
      ...(cost < 0 ? {} : { cost_usd: cost }),
    },
  };
}
