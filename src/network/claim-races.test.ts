/** Everything about one agent id that can race, against a model of it. */
import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { bearer, countingRandom, openLab, type Lab } from '../../test/support/network-lab.ts';
import { agentTokenKey } from '../protocol/credentials.ts';
import type { MoltnetError } from '../protocol/errors.ts';
import { agentIdentity, type Identity } from './identity.ts';

const nobody: Identity = { mode: 'bearer', credential_key: 'anonymous', scopes: new Set() };

type Step =
  | { do: 'claim'; key: number | undefined; code: number | undefined }
  | { do: 'confirm' | 'send'; token: number }
  | { do: 'rotate' | 'invite' | 'remove' };

const few = fc.constantFrom(1, 2, 3, 4);
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    do: fc.constant('claim' as const),
    key: fc.constantFrom(undefined, 1, 2),
    code: fc.option(few, { nil: undefined }),
  }),
  fc.record({ do: fc.constantFrom('confirm' as const, 'send' as const), token: few }),
  fc.constantFrom<Step>({ do: 'rotate' }, { do: 'invite' }, { do: 'remove' }),
);
const keyOf = (n: number) => `mkey_v1_${String(n).padStart(43, 'k')}`;

/** What the rules of one agent id are, said once more and shorter. */
function model(open: boolean): (one: Step) => string {
  let token: number | undefined;
  let key: number | undefined;
  let removed = false;
  let invite: number | undefined;
  let tokens = 0;
  let invites = 0;
  const mint = (): string => {
    removed = false;
    invite = undefined;
    token = ++tokens;
    return `token ${token}`;
  };
  return (one) => {
    switch (one.do) {
      case 'claim': {
        if (!open && one.code === undefined) return 'unauthorized';
        const invited = one.code !== undefined && one.code === invite;
        if (token !== undefined) {
          if (one.key !== undefined && one.key === key) return mint();
          return open ? 'agent_taken' : 'invalid_claim_code';
        }
        if (one.code !== undefined && !invited) return 'invalid_claim_code';
        if (removed && !invited) return 'agent_removed';
        ({ key } = one);
        return mint();
      }
      case 'confirm': {
        const confirmed = token === one.token && key !== undefined;
        if (confirmed) key = undefined;
        return String(confirmed);
      }
      case 'send':
        if (removed) return 'agent_removed';
        return token === undefined || token === one.token ? 'sent' : 'agent_taken';
      case 'rotate':
        if (token === undefined) return 'not_found';
        key = undefined;
        return mint();
      case 'invite':
        if (token !== undefined) return 'agent_taken';
        invite = ++invites;
        return `code ${invite}`;
      case 'remove':
        if (token === undefined) return 'not_found';
        token = undefined;
        removed = true;
        invite = undefined;
        return 'removed';
    }
  };
}

async function run(lab: Lab, one: Step, sent: number): Promise<string> {
  const as = (token: number) => agentIdentity('bearer', agentTokenKey(`token ${token}`), 'alpha');
  const answer = async (): Promise<string> => {
    switch (one.do) {
      case 'claim': {
        const { registration } = await lab.execute(
          'agent.register',
          {
            requested_id: 'alpha',
            via: 'http',
            ...(one.key !== undefined && { claim_key: keyOf(one.key) }),
            ...(one.code !== undefined && { claim_code: `code ${one.code}` }),
          },
          nobody,
        );
        return registration.agent_token!;
      }
      case 'confirm':
        return String((await lab.execute('agent.confirm', { agent_id: 'alpha' }, as(one.token))).confirmed);
      case 'send': {
        const from = { type: 'agent', id: 'alpha' };
        const target = { kind: 'dm', dm_id: 'd', participant_ids: ['alpha', 'far'] };
        const request = { id: `m${sent}`, from, target, parts: [{ kind: 'text', text: 'hi' }] };
        await lab.execute('message.send', { request: request as never }, as(one.token));
        return 'sent';
      }
      case 'rotate':
        return (await lab.execute('agent.rotate', { agent_id: 'alpha' })).agent_token!;
      case 'invite':
        return (await lab.execute('agent.invite', { agent_id: 'alpha' })).code;
      case 'remove':
        await lab.execute('agent.remove', { agent_id: 'alpha' });
        return 'removed';
    }
  };
  return answer().catch((error: MoltnetError) => error.code);
}

it('AGENT-26 raced in one batch, each claim, confirmation, rotation, removal and message is decided after the one before', async () => {
  const seen = new Set<string>();
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(step, { minLength: 1, maxLength: 12 }), { minLength: 1, maxLength: 3 }),
      fc.boolean(),
      async (batches, open) => {
        let tokens = 0;
        let codes = 0;
        const random = {
          ...countingRandom(),
          agentToken: () => `token ${++tokens}`,
          claimCode: () => `code ${++codes}`,
        };
        const lab = await openLab({
          // The DM that is written here is not what this is about.
          settings: {
            auth_mode: 'bearer',
            agent_registration: open ? 'open' : 'disabled',
            first_come_claims: true,
          },
          identity: bearer('op', ['admin']),
          random,
        });
        const expected = model(open);
        let sent = 0;
        for (const batch of batches) {
          const answers = await Promise.all(batch.map((one) => run(lab, one, sent++)));
          expect(answers).toEqual(batch.map(expected));
          for (const answer of answers) seen.add(answer);
        }
        const told = JSON.stringify(await lab.store.events({ all: true }, 0, 500));
        expect(told).not.toMatch(/token \d|code \d|mkey_v1_/);
        await lab.close();
      },
    ),
    { numRuns: 300 },
  );
  // The steps reach everything that the model knows.
  for (const answer of [
    'token 2',
    'agent_taken',
    'agent_removed',
    'invalid_claim_code',
    'true',
    'sent',
    'code 2',
  ])
    expect(seen).toContain(answer);
}, 120_000);
