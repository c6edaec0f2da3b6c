/** What PicoClaw says when its model fails: words for people, the same on the command line and over its socket. */
import { TurnFailure } from '../turn-line.ts';

export function picoclawFailure(message: string): TurnFailure {
  if (/\(40[13]\)|authentication failed|unauthorized|no API key|missing api key/i.test(message))
    return new TurnFailure(`${message}; log in again: put api_keys of its model_list right`, {
      permanent: true,
      cause: 'not_logged_in',
    });
  if (/\(429\)|rate.?limit/i.test(message)) return new TurnFailure(message, { cause: 'rate_limited' });
  if (/error loading config|error creating provider|model .*not found|model_name/i.test(message))
    return new TurnFailure(`${message}; correct its configuration`, { permanent: true, cause: 'config' });
  return new TurnFailure(message, { cause: 'model' });
}
