/** What a server answers in place of a WebSocket: a status, and ours also says why, as JSON. */
import type { IncomingMessage } from 'node:http';
import { retryAfter } from './http-request.ts';

export interface UpgradeRefusal {
  /** One plain sentence. */
  reason: string;
  http_status: number;
  /** 401 and 403: the same attempt is refused the same way. */
  permanent: boolean;
  code?: string;
  /** Seconds. */
  retry_after?: number;
}

/** Bytes of an answer that are looked at. */
const MOST = 16_384;

/** Resolves when the answer has ended, broke off or was too long. */
export async function readUpgradeRefusal(
  response: IncomingMessage,
  baseUrl: string,
): Promise<UpgradeRefusal> {
  const status = response.statusCode ?? 0;
  const wait = retryAfter(response.headers);
  const { code, error } = await bodyOf(response);
  const permanent = status === 401 || status === 403;
  return {
    reason: `${baseUrl} answered ${status}${error === undefined ? (OTHERWISE[status] ?? ' in place of a WebSocket') : `: ${error}`}`,
    http_status: status,
    permanent,
    ...(code === undefined ? {} : { code }),
    ...(wait === undefined ? {} : { retry_after: wait }),
  };
}

const OTHERWISE: Readonly<Record<number, string>> = {
  401: ": the attachment's token is missing or not known",
  403: ": the attachment's token may not attach",
};

async function bodyOf(response: IncomingMessage): Promise<{ code?: string; error?: string }> {
  let text = '';
  try {
    for await (const chunk of response) {
      text += String(chunk);
      if (text.length > MOST) return {};
    }
    const { code, error } = JSON.parse(text) as { code?: unknown; error?: unknown };
    return {
      ...(typeof code === 'string' && code !== '' ? { code } : {}),
      ...(typeof error === 'string' && error !== '' ? { error } : {}),
    };
  } catch {
    return {};
  }
}
