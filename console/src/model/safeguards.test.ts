import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { SAFEGUARDS } from './safeguards.ts';

const source = path.join(import.meta.dirname, '..');
const read = (name: string) => readFileSync(path.join(source, name), 'utf8');
const ui = readdirSync(path.join(source, 'ui'))
  .filter((name) => name.endsWith('.tsx'))
  .map((name) => ({ name, text: read(`ui/${name}`) }));

it('CON-33 everything that the console changes has its way back, or says before what will happen', () => {
  // Whatever of the API is no plain read.
  const changes = [
    ...read('live/api.ts').matchAll(/^ {2}(?:async )?(\w+)[:(][^]*?(?=^ {2}(?:async )?\w+[:(]|^};)/gm),
  ]
    .filter(([text]) => /'(?:POST|PUT|PATCH|DELETE)'/.test(text))
    .map(([, name]) => name!);
  expect(changes.length).toBeGreaterThan(15);
  expect(changes.toSorted()).toEqual(Object.keys(SAFEGUARDS).toSorted());
});

it('CON-33 where the console does it, the safeguard stands beside it', () => {
  const client = { pause: 'setPaused', unpause: 'setPaused' } as Record<string, string>;
  for (const [action, how] of Object.entries(SAFEGUARDS)) {
    if (how === 'harmless' || how === 'form') continue;
    const call = new RegExp(`\\b(?:api|client)\\.${client[action] ?? action}\\(`);
    const places = ui.filter(({ text }) => call.test(text));
    expect(
      places.map(({ name }) => name),
      action,
    ).not.toEqual([]);
    for (const { name, text } of places) {
      // A way back, given along with what is told; or a question.
      const guarded =
        how === 'undo' ? /\btell\(\s*[^)]*\)?,?\s*[^;]*=>/.test(text) : /ConfirmDialog|danger/.test(text);
      expect(guarded, `${action} in ${name}`).toBe(true);
    }
  }
});
