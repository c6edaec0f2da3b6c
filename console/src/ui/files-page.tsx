import { useCallback, useEffect, useState } from 'react';
import type { Artifact } from '../../../src/protocol/rooms.ts';
import { api } from '../live/api.ts';
import { useApp, useClient } from '../live/client.ts';
import { plainName } from '../model/names.ts';
import { exactTime, shortTime } from '../model/times.ts';
import { texts, wordsOf } from '../texts.ts';
import { describe, KINDS, opens } from './attachment.tsx';
import { Button, Chips } from './controls.tsx';
import { Icon } from './icons.tsx';
import { Link } from './link.tsx';
import { Empty, PageHeader } from './page.tsx';
import styles from './panel.module.css';
import { PictureFrame, usePicture } from './picture.tsx';
import { paths } from './router.ts';

/** Everything of a room and its threads that is more than text, the newest first. */
export function FilesPage({ room: id }: { room: string }) {
  const client = useClient();
  const name = useApp((state) => plainName(state.rooms.find((room) => room.id === id)?.name ?? '') || id);
  const [artifacts, setArtifacts] = useState<readonly Artifact[]>();
  const [before, setBefore] = useState<string>();
  const [error, setError] = useState<string>();
  const [kind, setKind] = useState('');
  const load = useCallback(
    async (cursor?: string) => {
      try {
        const page = await api.artifacts(id, cursor);
        // Within a page the oldest is first.
        const found = page.artifacts.toReversed();
        setArtifacts((known) => (cursor === undefined ? found : [...(known ?? []), ...found]));
        setBefore(page.page.next_before);
        setError(undefined);
      } catch (reason) {
        setError(wordsOf(reason));
      }
    },
    [id],
  );
  useEffect(() => {
    void load();
    return client.watch((event) => {
      const { message } = event;
      if (message?.target.room_id === id && message.parts.some((part) => part.kind !== 'text')) void load();
      if (event.type === 'message.redacted') void load();
    });
  }, [client, id, load]);
  const kinds = [...new Set((artifacts ?? []).map((artifact) => artifact.kind))].sort();
  const shown = (artifacts ?? []).filter((artifact) => kind === '' || artifact.kind === kind);
  return (
    <>
      <PageHeader
        title={texts.files}
        mark={<Icon name="file" />}
        about={
          <Link href={paths.room(id)} aria-label={texts.backToRoom(`#${name}`)}>
            {texts.threadIn(`#${name}`)}
          </Link>
        }
      />
      {error !== undefined && artifacts === undefined ? (
        <Empty title={texts.filesFailed} text={error}>
          <Button onClick={() => void load()}>{texts.tryAgain}</Button>
        </Empty>
      ) : artifacts?.length === 0 ? (
        <Empty title={texts.noFiles(`#${name}`)} text={texts.noFilesText} />
      ) : (
        <div className={styles.scroller} tabIndex={-1}>
          <div className={styles.column} aria-busy={artifacts === undefined}>
            {kinds.length > 1 && (
              <Chips
                label={texts.kindOfFile}
                value={kind}
                onChange={setKind}
                options={[['', texts.allKinds], ...kinds.map((k): [string, string] => [k, labelOf(k)])]}
              />
            )}
            <ul className={styles.list}>
              {shown.map((artifact) => (
                <File key={artifact.id} artifact={artifact} room={id} />
              ))}
            </ul>
            {before !== undefined && <Button onClick={() => void load(before)}>{texts.more}</Button>}
          </div>
        </div>
      )}
    </>
  );
}

const labelOf = (kind: string): string => KINDS[kind]?.label ?? plainName(kind);

function File({ artifact, room }: { artifact: Artifact; room: string }) {
  const { icon, name, about, url, picture } = describe(artifact);
  const shown = usePicture(picture);
  const thread = artifact.target['thread_id'];
  const place =
    typeof thread === 'string'
      ? paths.thread(thread, { message: artifact.message_id })
      : paths.room(room, { message: artifact.message_id });
  return (
    <li>
      <div className={styles.line}>
        <Icon name={icon} />
        <div className={styles.wide}>
          <p className={styles.name}>
            {url ? (
              <a {...opens(url)}>
                <bdi>{name}</bdi>
              </a>
            ) : (
              <bdi>{name}</bdi>
            )}
          </p>
          <p className={styles.about}>{about}</p>
        </div>
        {picture && (
          <Button
            aria-expanded={shown.open}
            aria-label={`${shown.open ? texts.hidePicture : texts.showPicture}: ${name}`}
            title={shown.open ? undefined : texts.showPictureHelp(picture.host)}
            onClick={shown.toggle}
          >
            {shown.open ? texts.hidePicture : texts.showPicture}
          </Button>
        )}
        <Link href={place} className={styles.end} title={texts.toMessage}>
          <time dateTime={artifact.created_at} title={exactTime(artifact.created_at)}>
            {shortTime(artifact.created_at)}
          </time>
        </Link>
      </div>
      {picture && shown.open && <PictureFrame url={picture} name={name} />}
    </li>
  );
}
