/** Addresses of a network's servers in a file: `base_url`, and `other_urls` that are gone over to when it does not answer. */
import { urlTest, type Section } from './check.ts';
import { isLoopbackHost } from './listen.ts';

/** Without trailing slashes; `other_urls` without doubles, and left out when there is none. */
export function readUrls(section: Section | undefined): { base_url: string; other_urls?: string[] } {
  const test = urlTest('http', 'https');
  const base_url = bare(section?.required('base_url', test) ?? '');
  const others = new Set((section?.texts('other_urls', test) ?? []).map(bare));
  others.delete(base_url);
  const open = openAmongSecure([base_url, ...others]);
  if (open !== undefined)
    section?.note('other_urls', `${open} is without TLS, and others of this network are with it`, OPEN_FIX);
  return { base_url, ...(others.size > 0 && { other_urls: [...others] }) };
}

/** What to do about one. */
export const OPEN_FIX = 'write https:// for all of them: they all are sent the same token';

/** The first http address of another machine where one is https: whoever is on the way could read the token there. */
export function openAmongSecure(urls: readonly string[]): string | undefined {
  const parsed = urls.flatMap((url) => (URL.canParse(url) ? [new URL(url)] : []));
  if (!parsed.some(({ protocol }) => protocol === 'https:')) return undefined;
  const open = parsed.find(
    ({ protocol, hostname }) => protocol === 'http:' && !isLoopbackHost(hostname.replace(/^\[|\]$/g, '')),
  );
  return open && bare(open.href);
}

const bare = (url: string): string => url.replace(/\/+$/, '');
