/** The matrix of test/access/matrix-rows.ts against a real server: every route × every caller × every mode. */
import { expect, it, onTestFinished, vi } from 'vitest';
import { RouteTable } from '../../src/server/http/route-table.ts';
import { CALLERS, MODES, startAuthLab, type AuthLab, type Caller, type Mode } from '../support/auth-lab.ts';
import { askUpgrade } from '../support/server-http.ts';
import { MATRIX } from './matrix-rows.ts';
import { cellsOf, type Cell, type Row } from './matrix.ts';

/** Not in /openapi.json: pages. */
const HIDDEN = ['GET /', 'GET /console', 'GET /console/*', 'GET /console/picture'];

it('AUTH-90 every route of the server has a row, and every row a route', async () => {
  // What the server itself makes its 405 of: all routes, those that its document hides too.
  const add = vi.spyOn(RouteTable.prototype, 'add');
  onTestFinished(() => add.mockRestore());
  const lab = await startAuthLab('none');
  const all = new Set(
    add.mock.calls.flatMap(([at, methods]) =>
      methods
        .filter((method) => method !== 'HEAD')
        .map((method) => `${method} ${at.replace(/:(\w+)/g, '{$1}')}`),
    ),
  );
  const { paths } = JSON.parse((await lab.call('anon', 'GET /openapi.json')).text) as {
    paths: Record<string, Record<string, unknown>>;
  };
  const documented = Object.entries(paths).flatMap(([at, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${at}`),
  );
  expect(documented.filter((route) => !all.has(route))).toEqual([]);
  const routes = new Set(MATRIX.map((row) => row.route));
  const without = [...all].filter((route) => !routes.has(route));
  expect(without.join(', '), 'routes without a row').toBe('');
  const gone = [...routes].filter((route) => !all.has(route));
  expect(gone.join(', '), 'rows without a route').toBe('');
  const hidden = [...routes].filter((route) => !documented.includes(route));
  expect(hidden.sort()).toEqual(HIDDEN);
});

it('AUTH-91 every deviation from wire.md says why', () => {
  const found = new Map<string, Set<string>>();
  for (const row of MATRIX)
    for (const mode of MODES) {
      for (const [who, cell] of Object.entries(cellsOf(row, mode))) {
        if (!cell?.why || /^[wn]/.test(cell.why)) continue;
        expect(cell.why, `${row.route} as ${who}`).toMatch(/^(?:W\d+|3\.[1-8])$/);
        const list = found.get(cell.why) ?? new Set();
        found.set(cell.why, list.add(`${row.route} ${who} ${cell.status}`));
      }
    }
  for (const [why, cells] of [...found].sort())
    process.stdout.write(`${why.startsWith('W') ? why : `issue-${why}`}: ${cells.size} cells\n`);
  expect([...found.keys()].sort()).toEqual(['3.2', '3.4', 'W14', 'W25', 'W26', 'W4']);
});

for (const mode of MODES)
  it(`AUTH-90 the matrix: mode ${mode}`, async () => {
    const lab = await startAuthLab(mode);
    const wrong: string[] = [];
    let asked = 0;
    for (const [index, row] of MATRIX.entries()) {
      const cells = cellsOf(row, mode);
      for (const who of CALLERS) {
        const cell = cells[who];
        if (!cell) continue;
        asked++;
        wrong.push(...(await differences(lab, row, who, cell, `n${index}-${who}`)));
      }
    }
    expect(wrong.join('\n')).toBe('');
    expect(asked).toBeGreaterThan(900);
  }, 120_000);

async function differences(lab: AuthLab, row: Row, who: Caller, cell: Cell, n: string): Promise<string[]> {
  const [method, pattern] = row.route.split(' ') as [string, string];
  const at = (row.at ?? pattern).replace('{n}', n).replace('{who}', who);
  await row.before?.(lab, n, who);
  if (pattern === '/v1/attach') return differ(row, lab.mode, who, cell, await upgrade(lab, who), at);
  const body = row.body?.(n, who, lab);
  const reply = await lab.call(who, `${method} ${at}`, body, row.headers);
  const wrong = differ(row, lab.mode, who, cell, reply, at);
  if (method !== 'GET') return wrong;
  const { status } = await lab.call(who, `HEAD ${at}`, undefined, row.headers);
  if (status !== reply.status)
    wrong.push(`${lab.mode}: HEAD ${at} as ${who}: ${status}, and GET ${reply.status}`);
  return wrong;
}

async function upgrade(lab: AuthLab, who: Caller): Promise<{ status: number; code?: string; text: string }> {
  const status = await askUpgrade(lab.server, lab.credential(who));
  return { status, text: '' };
}

function differ(
  row: Row,
  mode: Mode,
  who: Caller,
  cell: Cell,
  got: { status: number; code?: string; text: string },
  at: string,
): string[] {
  const sameCode = cell.code === undefined || got.code === undefined || cell.code === got.code;
  if (got.status === cell.status && sameCode) return [];
  const why = cell.why === undefined ? '' : ` (${cell.why})`;
  const { route } = row;
  return [
    `${mode}: ${route} [${at}] as ${who}: expected ${cell.status} ${cell.code ?? ''}${why}, got ${got.status} ${got.text.slice(0, 160)}`,
  ];
}
