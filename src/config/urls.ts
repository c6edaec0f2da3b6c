/** Addresses of a network's servers in a file: `base_url`, and `other_urls` that are gone over to when it does not answer. */
import { urlTest, type Section } from './check.ts';

/** Without trailing slashes; `other_urls` without doubles, and left out when there is none. */
export function readUrls(section: Section | undefined): { base_url: string; other_urls?: string[] } {
  const test = urlTest('http', 'https');
  const base_url = bare(section?.required('base_url', test) ?? '');
  const others = new Set((section?.texts('other_urls', test) ?? []).map(bare));
  others.delete(base_url);
  return { base_url, ...(others.size > 0 && { other_urls: [...others] }) };
}

const bare = (url: string): string => url.replace(/\/+$/, '');
