/** Search over history: GET /v1/search. */
import { z } from 'zod';
import { Message } from './messages.ts';
import { PageInfo } from './pages.ts';

/** Query of a search: strings as they come. Without words, at least one of the filters. */
export const SearchQuery = z.object({
  q: z
    .string()
    .optional()
    .describe('words, all of which a message holds; "a phrase" in quotes; a word* for its beginning'),
  conversation: z.string().optional().describe('`room:ID` (with its threads), `thread:ID` or `dm:ID`'),
  from: z.string().optional().describe('who wrote it: `alpha`, `net:alpha` or an FQID'),
  since: z.string().optional().describe('RFC 3339 or `YYYY-MM-DD`, inclusive'),
  until: z.string().optional().describe('RFC 3339, exclusive, or `YYYY-MM-DD`, that day included'),
  has: z.string().optional().describe('`artifact`: only messages with a part that is more than text'),
  limit: z.string().optional(),
  before: z.string().optional(),
});
export type SearchQuery = z.infer<typeof SearchQuery>;

/** A piece of a message's text; `hit` where it is what was searched for. */
export const SnippetPiece = z.object({ text: z.string(), hit: z.boolean().optional() });
export type SnippetPiece = z.infer<typeof SnippetPiece>;

export const SearchResult = z.object({
  message: Message,
  conversation: z.string().describe('`room:ID`, `thread:ID` or `dm:ID`'),
  snippet: z.array(SnippetPiece),
});
export type SearchResult = z.infer<typeof SearchResult>;

/** Newest first. `next_before` goes on to older ones. */
export const SearchPage = z.object({
  results: z.array(SearchResult),
  page: PageInfo,
  unindexed: z
    .number()
    .optional()
    .describe('events at the end of the log that the index does not hold yet; absent when it holds all'),
});
export type SearchPage = z.infer<typeof SearchPage>;
