/** What happens while an attachment is made. */
import { expect, it } from 'vitest';
import { calling } from '../../../test/support/gated-store.ts';
import { attach, bind, say, wakeLab } from '../../../test/support/wake-lab.ts';
import { eventually } from '../../../test/support/eventually.ts';

it('ATT-4 nothing is sent before READY, of a room either that is made while the positions are written down', async () => {
  const gate = Promise.withResolvers<void>();
  const committing = Promise.withResolvers<void>();
  let loading: (() => void) | undefined;
  let held = false;
  const wrap = calling((method) => {
    if (method === 'commit' && held) {
      committing.resolve();
      return gate.promise;
    }
    if (method !== 'scopes' || !loading) return undefined;
    loading();
    return committing.promise;
  });
  const at = await wakeLab({ wrap });
  const said: Promise<unknown>[] = [];
  // Its positions wait behind another commit, and so do a room that is made and what is said there.
  loading = () => {
    held = true;
    said.push(say(at, 'other', 'hello', 'room:r'));
  };
  const attaching = attach(at, bind({ r: 'never', later: 'all' }));
  await committing.promise;
  await eventually(() => at.network.waiting === 1);
  said.push(at.createRoom('later'), say(at, 'm1', 'hello', 'room:later'));
  held = false;
  gate.resolve();
  await Promise.all(said);
  const client = await attaching;
  await client.until(() => client.messages.includes('m1'));
  expect(client.frames.map(({ op }) => op)).toEqual(['HELLO', 'READY', 'EVENT']);
});
