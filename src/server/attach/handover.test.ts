/** Between two lines: what was sent to storage and is not on disk yet when the next attachment of the agent takes over. */
import { expect, it } from 'vitest';
import { calling } from '../../../test/support/gated-store.ts';
import { attach, bind, got, say, wakeLab } from '../../../test/support/wake-lab.ts';
import type { AttachLab } from '../../../test/support/attach-lab.ts';
import type { Identity, Scope } from '../../network/identity.ts';

import type { Store } from '../../store/store.ts';

/** A store whose commits can be held up: they are done, and answered, when they are let go. */
function held(): { wrap: (store: Store) => Store; hold(): void; letGo(): void; waiting(): Promise<void> } {
  let gate: PromiseWithResolvers<void> | undefined;
  let arrived = Promise.withResolvers<void>();
  return {
    wrap: calling((method) => {
      if (method !== 'commit' || !gate) return undefined;
      arrived.resolve();
      return gate.promise;
    }),
    hold() {
      gate = Promise.withResolvers();
      arrived = Promise.withResolvers();
    },
    letGo() {
      gate?.resolve();
      gate = undefined;
    },
    waiting: () => arrived.promise,
  };
}

/** Where an agent may have several attachments. */
const lab = (wrap: (store: Store) => Store): Promise<AttachLab> => {
  const identity = (): Identity => ({
    mode: 'bearer',
    credential_key: 'token:one',
    scopes: new Set<Scope>(['attach', 'admin']),
  });
  return wakeLab({ wrap, identity, settings: { auth_mode: 'bearer' } });
};

it('DLV-9 a wake whose storing is under way when its attachment breaks is presented to the next one, not begun anew', async () => {
  const commits = held();
  const at = await lab(commits.wrap);
  const first = await attach(at, bind({ r: 'all' }));
  const second = await attach(at, bind({ r: 'all' }));
  await say(at, 'm1');
  const cursor = await got(first, 'm1');
  await at.execute('delivery.save', { writes: [] });
  commits.hold();
  first.send({ op: 'WAKE', wake_id: 'w1', conversation: 'room:r', cursor, attempt: 1 });
  await commits.waiting();
  await first.drop();
  await second.settle();
  commits.letGo();
  await got(second, 'm1');
  expect(second.of('WAKE')).toMatchObject([{ wake_id: 'w1', cursor, attempt: 1 }]);
});

it('DLV-9 a wake whose end is being stored when its attachment breaks is not run by the next one', async () => {
  const commits = held();
  const at = await lab(commits.wrap);
  const first = await attach(at, bind({ r: 'all' }));
  const second = await attach(at, bind({ r: 'all' }));
  await say(at, 'm1');
  const cursor = await got(first, 'm1');
  first.send({ op: 'WAKE', wake_id: 'w1', conversation: 'room:r', cursor, attempt: 1 });
  await first.until(() => first.of('WAKE').length === 1);
  await at.execute('delivery.save', { writes: [] });
  commits.hold();
  first.ack(cursor, { wake_id: 'w1', outcome: 'ok' });
  await commits.waiting();
  await first.drop();
  await second.settle();
  commits.letGo();
  await say(at, 'm2');
  await got(second, 'm2');
  expect(second.messages).toEqual(['m2']);
  expect(second.of('WAKE')).toEqual([]);
});
