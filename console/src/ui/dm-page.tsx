import { useEffect, useMemo } from 'react';
import type { Thread } from '../../../src/protocol/rooms.ts';
import { useApp } from '../live/client.ts';
import { dmIdOf, dmName } from '../model/dms.ts';
import { texts } from '../texts.ts';
import { ConversationView } from './conversation-view.tsx';
import { GuardChip } from './guard-chip.tsx';
import { Icon } from './icons.tsx';
import { Empty, PageHeader } from './page.tsx';
import { navigate, paths } from './router.ts';

const none: ReadonlyMap<string, Thread> = new Map();

/** A direct conversation. Its participants write here; others who may see it read along. */
export function DmPage({ id, message }: { id: string; message: string | undefined }) {
  const dm = useApp((state) => state.dms[id]);
  return <Direct id={id} participants={dm?.participant_ids} at={message} />;
}

/** The direct conversation with somebody, whether it has begun or not. */
export function NewDmPage({ participant }: { participant: string }) {
  const me = useApp((state) => state.me.id);
  const networkId = useApp((state) => state.network?.id);
  const exists = useApp((state) =>
    networkId === undefined ? false : state.dms[dmIdOf([me, participant], networkId)] !== undefined,
  );
  const id = networkId === undefined ? undefined : dmIdOf([me, participant], networkId);
  useEffect(() => {
    if (exists && id !== undefined) navigate(paths.dm(id), { replace: true });
  }, [exists, id]);
  if (id === undefined) return <PageHeader title={texts.directConversation} />;
  if (participant === me)
    return (
      <>
        <PageHeader title={texts.directConversation} />
        <Empty title={texts.dmYourself} text="" />
      </>
    );
  return <Direct id={id} participants={[me, participant].sort()} at={undefined} isNew />;
}

function Direct({
  id,
  participants,
  at,
  isNew,
}: {
  id: string;
  participants: readonly string[] | undefined;
  at: string | undefined;
  isNew?: boolean;
}) {
  const me = useApp((state) => state.me.id);
  const agents = useApp((state) => state.agents);
  const list = useMemo(() => [...(participants ?? [])], [participants]);
  const name = dmName({ id, participant_ids: list }, me, agents);
  const takesPart = list.includes(me);
  const [only] = list.filter((participant) => participant !== me);
  const peer = list.length === 2 && takesPart ? agents.find((agent) => agent.id === only) : undefined;
  const about = peer
    ? peer.state === 'cannot_wake'
      ? texts.cannotWake
      : peer.state === 'working'
        ? texts.working
        : peer.connected
          ? texts.connected
          : texts.offline
    : takesPart
      ? texts.directConversation
      : texts.dmOfOthers;
  return (
    <>
      <PageHeader title={name} mark={<Icon name="dm" />} about={about}>
        <GuardChip conversation={`dm:${id}`} />
      </PageHeader>
      <ConversationView
        conversation={`dm:${id}`}
        room={undefined}
        target={useMemo(() => ({ kind: 'dm', dm_id: id, participant_ids: list }), [id, list])}
        name={name}
        startLine={texts.dmStart(name)}
        empty={{ title: texts.emptyDmTitle(name), text: texts.emptyDmText }}
        threads={none}
        at={at}
        mayBeNew={isNew}
        refusal={list.length > 0 && !takesPart ? texts.dmReadOnly : undefined}
      />
    </>
  );
}
