import type { Part } from '../../../src/protocol/messages.ts';
import { plainName } from '../model/names.ts';
import { texts } from '../texts.ts';
import styles from './attachment.module.css';
import { Icon, type IconName } from './icons.tsx';
import { PictureFrame, usePicture } from './picture.tsx';

/** How the kinds of parts are called. */
export const KINDS: Record<string, { icon: IconName; label: string }> = {
  image: { icon: 'image', label: texts.remoteImage },
  audio: { icon: 'audio', label: texts.remoteAudio },
  url: { icon: 'link', label: texts.remoteUrl },
  file: { icon: 'file', label: texts.remoteFile },
  data: { icon: 'braces', label: texts.data },
};

export type Remote = Pick<Part, 'kind' | 'url' | 'filename' | 'media_type'>;

/** Something that lies elsewhere: named, and opened or shown only by a click. Nothing of it is loaded before. */
export function Attachment({ part }: { part: Remote }) {
  const { icon, name, about, url, picture } = describe(part);
  const shown = usePicture(picture);
  return (
    <>
      <div className={styles.attachment}>
        <span className={styles.mark}>
          <Icon name={icon} />
        </span>
        <span className={styles.what}>
          {url ? (
            <a className={styles.name} {...opens(url)}>
              <bdi>{name}</bdi>
            </a>
          ) : (
            <bdi className={styles.name}>{name}</bdi>
          )}
          <span className={styles.about}>{about}</span>
        </span>
        {picture && (
          <button
            type="button"
            className={styles.show}
            aria-expanded={shown.open}
            aria-label={`${shown.open ? texts.hidePicture : texts.showPicture}: ${name}`}
            title={shown.open ? undefined : texts.showPictureHelp(picture.host)}
            onClick={shown.toggle}
          >
            {shown.open ? texts.hidePicture : texts.showPicture}
          </button>
        )}
        {url && !picture && <Icon name="external" size={14} />}
      </div>
      {picture && shown.open && <PictureFrame url={picture} name={name} />}
    </>
  );
}

/** What a link to elsewhere is to have. */
export const opens = (url: URL) => ({
  href: url.href,
  target: '_blank',
  rel: 'noopener noreferrer nofollow',
  title: texts.openLink(url.host),
});

/** How something that lies elsewhere is named, and whether it can be shown. */
export function describe(part: Remote): {
  icon: IconName;
  name: string;
  about: string;
  url: URL | undefined;
  picture: URL | undefined;
} {
  const url = webUrl(part.url);
  const picture = url && isPicture(part, url) ? url : undefined;
  const { icon, label } = KINDS[picture ? 'image' : part.kind] ?? KINDS.file!;
  const name = plainName(part.filename ?? '') || (url ? shortUrl(url) : plainName(part.url ?? '')) || label;
  const about = [label, part.media_type && plainName(part.media_type), url?.host].filter(Boolean).join(' · ');
  return { icon, name, about, url, picture };
}

const PICTURE_FILE = /\.(?:png|jpe?g|gif|webp|avif|svg|bmp)$/i;
const isPicture = ({ kind, media_type }: Remote, url: URL): boolean =>
  kind === 'image' || /^image\//i.test(media_type ?? '') || PICTURE_FILE.test(url.pathname);

/** An address that may be opened; undefined for anything but http and https. */
export function webUrl(url: string | undefined): URL | undefined {
  const parsed = URL.parse(url ?? '');
  return parsed?.protocol === 'https:' || parsed?.protocol === 'http:' ? parsed : undefined;
}

export function shortUrl(url: URL): string {
  const path = url.pathname === '/' ? '' : url.pathname;
  return url.host + path;
}
