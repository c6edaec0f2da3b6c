// `node tools/docs.mjs` writes docs/limits.md and docs/errors.md from the tables that the code refuses by;
// `--check` says whether they are current.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { errors } from '../src/protocol/errors.ts';
import { limits } from '../src/protocol/limits.ts';

const docs = fileURLToPath(new URL('../docs/', import.meta.url));
const number = (value) => value.toLocaleString('en-US');
const table = (head, rows) =>
  [head, head.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n');

const pages = {
  'limits.md': `# Limits

Every number that bounds what a client may send or hold, from \`src/protocol/limits.ts\`. Over a limit with a code, the request is refused with that code and nothing is stored; a limit without one clamps, or bounds the server itself.

${table(
  ['limit', 'value', 'code', 'what'],
  Object.entries(limits).map(([name, limit]) => [
    `\`${name}\``,
    `${number(limit.value)} ${limit.unit}`,
    limit.code ? `\`${limit.code}\`` : '',
    limit.what,
  ]),
)}
`,
  'errors.md': `# Errors

Every refusal is \`{"code", "error", "request_id"}\` with one of these codes, from \`src/protocol/errors.ts\`. Programs branch on \`code\`; \`error\` is for people and may change. Where *retry* stands, the same request may succeed later.

${table(
  ['code', 'status', 'retry', 'what'],
  Object.entries(errors).map(([code, entry]) => [
    `\`${code}\``,
    entry.status,
    entry.retry ? 'yes' : '',
    entry.what,
  ]),
)}
`,
};

/** @returns {string[]} the pages that are not current */
export function staleDocs() {
  return Object.entries(pages)
    .filter(([name, text]) => read(name) !== text)
    .map(([name]) => `docs/${name} is not current: run node tools/docs.mjs`);
}
function read(name) {
  try {
    return readFileSync(`${docs}${name}`, 'utf8');
  } catch {
    return '';
  }
}
if (import.meta.main && !process.argv.includes('--check'))
  for (const [name, text] of Object.entries(pages)) writeFileSync(`${docs}${name}`, text);
