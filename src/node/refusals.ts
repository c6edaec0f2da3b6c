/** What to do about a server that says no for good. */
import type { AttachmentConfig } from '../config/types.ts';

/** Codes after which coming back as before is of no use, whether the server says so or not. */
export const isFinalCode = (code: string | undefined): boolean => code !== undefined && code in ADVICE;

/** The server's reason, and what to do about it where there is something to say. */
export function withAdvice(reason: string, code: string | undefined, attachment: AttachmentConfig): string {
  const advice = isFinalCode(code) ? ADVICE[code!]!(attachment) : undefined;
  return advice === undefined ? reason : `${reason}; ${advice}`;
}

const place = ({ auth }: AttachmentConfig): string =>
  auth.token !== undefined
    ? 'into its token'
    : auth.token_env !== undefined
      ? `into ${auth.token_env}`
      : auth.token_path !== undefined
        ? `into ${auth.token_path}`
        : 'into a file that token_path names';

const ADVICE: Readonly<Record<string, (attachment: AttachmentConfig) => string>> = {
  agent_removed: ({ agent, auth }) =>
    auth.mode === 'none'
      ? `to let it back in: moltnet register-agent ${agent.id}; else take it out of the node's file`
      : `an operator lets it back in: moltnet admin agent invite ${agent.id}, then moltnet connect ${agent.id} with --claim-code; else take it out of the node's file`,
  agent_taken: (attachment) =>
    `put its token ${place(attachment)}; when that is lost, an operator makes a new one: moltnet admin agent rotate-token ${attachment.agent.id}; or choose another id`,
  claim_reserved: ({ agent }) =>
    `claim it on the server's own machine, or ask an operator for a code (moltnet admin agent invite ${agent.id}) and run moltnet connect ${agent.id} with --claim-code`,
  person_reserved: () => "choose another id for the agent: this one is a person's",
  unauthorized: (attachment) =>
    `put a token that the server knows ${place(attachment)}; an operator makes a new one: moltnet admin agent rotate-token ${attachment.agent.id}`,
};
