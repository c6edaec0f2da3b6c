/** Text from others on its way into an OpenClaw prompt. Tried with 2026.9.6. */

/** The dot before what OpenClaw takes for the ending of a picture. */
const PICTURE = /\.(?=png|jpe?g|gif|webp|bmp|tiff?|heic|heif|svg|avif)/gi;
/** What it ends a path at. */
const RUN = /[^\s"'`()[\]]+/g;

/**
 * The text with every form broken that OpenClaw would act on. It reads a picture from the disk of its gateway into the
 * turn where a prompt holds its path (`/home/ann/x.png`, `~/x.png`, `./x.png`, `C:\x.png`) or a `file://` address, and
 * it marks words of its own by `<<<BEGIN_OPENCLAW_INTERNAL_CONTEXT>>>`. A last line says what was changed. Slash
 * commands are no concern of this: they count at the very beginning alone, where a word of ours stands.
 */
export function withoutExpansions(text: string): string {
  const safe = text
    .replace(/file:(?=\/)/gi, (scheme) => `${scheme.slice(0, -1)}[:]`)
    .replace(RUN, (run) => (isLocal(run) ? run.replace(PICTURE, '[.]') : run))
    .replace(/<<<(?=(?:BEGIN|END)_OPENCLAW)/gi, '<[<]<');
  return safe === text
    ? text
    : `${safe}\n\n(In the text above, local paths of pictures are written with [.] for the dot, and [:] and [<] stand for : and <.)`;
}

/** Addresses of the web are left as they are. */
const isLocal = (run: string): boolean => /[/\\~]/.test(run) && !/^https?:\/\/[^/]/i.test(run);
