/** What an OpenClaw gateway says when something fails, as a failure that the node can act on. */
import { GatewayLost, GatewayRefusal } from './gateway.ts';
import { TurnFailure } from '../turn-line.ts';

/** Refusals of `connect` that a person has to mend, and what to do. */
const SETUP: readonly [RegExp, string][] = [
  [
    /^AUTH_(TOKEN|PASSWORD)_MISSING|^AUTH_REQUIRED|^DEVICE_IDENTITY_REQUIRED/,
    "write the gateway's token (gateway.auth.token of its openclaw.json) into runtime.token, or set OPENCLAW_GATEWAY_TOKEN for the node",
  ],
  [
    /^AUTH_.*MISMATCH|^AUTH_UNAUTHORIZED|^DEVICE_TOKEN/,
    'correct runtime.token (or OPENCLAW_GATEWAY_TOKEN): it is gateway.auth.token of its openclaw.json',
  ],
  [
    /^PROTOCOL_MISMATCH/,
    'this moltnet speaks protocol 4 of the gateway; bring the older of the two up to date',
  ],
  [/^CONTROL_UI_ORIGIN_NOT_ALLOWED|^DEVICE_AUTH/, "look into the gateway's log for the reason"],
];

/** A failure of the connection, its handshake or a request. Anything else is given back as it is. */
export function gatewayFailure(error: unknown, url: string): unknown {
  if (error instanceof GatewayLost)
    return new TurnFailure(error.message, { cause: error.refused ? 'missing' : 'crashed' });
  if (!(error instanceof GatewayRefusal)) return error;
  const { code, detail, message, request_id } = error;
  if (/PAIRING_REQUIRED|NOT_PAIRED/.test(`${detail} ${code}`) && request_id !== undefined)
    return new TurnFailure(
      `the gateway ${url} does not know this node yet: ${message}; on its machine, run \`openclaw devices approve ${request_id}\``,
      { permanent: true, cause: 'config' },
    );
  const setup = SETUP.find(([pattern]) => pattern.test(detail || code));
  if (setup)
    return new TurnFailure(
      `the gateway ${url} refused this node (${detail || code}): ${message}; ${setup[1]}`,
      {
        permanent: true,
        cause: 'config',
      },
    );
  if (code === 'FORBIDDEN')
    return new TurnFailure(`the gateway ${url} does not allow this node that: ${message}`, {
      permanent: true,
      cause: 'config',
    });
  if (/no longer exists in configuration/i.test(message))
    return new TurnFailure(`${message}; correct runtime.agent_id, or add that agent to openclaw.json`, {
      permanent: true,
      cause: 'config',
    });
  if (code === 'INVALID_REQUEST')
    return new TurnFailure(`the gateway refused the message: ${message}`, {
      permanent: true,
      cause: 'config',
    });
  const model = modelFailure(message);
  if (model.failed.cause !== 'model') return model;
  return new TurnFailure(`the gateway refused the message: ${message}`, {
    ...(error.retry_after_ms === undefined ? {} : { retry_after_s: Math.ceil(error.retry_after_ms / 1000) }),
  });
}

/** A turn that OpenClaw itself says has failed, by its words for people: there is no code. */
export function modelFailure(message: string): TurnFailure {
  const wait = /retry after about (\d+) (second|minute)/i.exec(message);
  const retry = wait ? { retry_after_s: Number(wait[1]) * (wait[2] === 'minute' ? 60 : 1) } : {};
  if (/temporarily disabled after a provider auth/i.test(message))
    return new TurnFailure(message, { cause: 'not_logged_in', ...retry });
  if (
    /HTTP 40[13]|authentication failed|re-authenticate|No API key|missing api key|unauthorized/i.test(message)
  )
    return new TurnFailure(
      `${message}; log in again: put the key of its model right on the gateway's machine (openclaw models auth)`,
      { permanent: true, cause: 'not_logged_in' },
    );
  if (/rate.?limit|HTTP 429|quota|overloaded/i.test(message))
    return new TurnFailure(message, { cause: 'rate_limited', ...retry });
  if (/unknown model|model .*not (found|allowed|configured)|HTTP 404/i.test(message))
    return new TurnFailure(`${message}; name a model in openclaw.json that its provider has`, {
      permanent: true,
      cause: 'model',
    });
  return new TurnFailure(message, { cause: 'model', ...retry });
}
