import { chmodSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { beforeEach, expect, it } from 'vitest';
import { temporaryFolder } from '../../test/support/server.ts';
import { loadServerConfig } from './server.ts';

let cwd = '';
beforeEach(async () => void (cwd = await temporaryFolder()));
const budgets = (text: string) => {
  writeFileSync(path.join(cwd, 'Moltnet'), text);
  chmodSync(path.join(cwd, 'Moltnet'), 0o600);
  return loadServerConfig({ cwd, env: {} }).budgets;
};

it('RCPT-14 budgets: wakes a day for all, and for some; none where nothing is said', () => {
  expect(budgets('network: {id: a}')).toBeUndefined();
  expect(budgets('budgets: {}')).toEqual({ daily_wakes: 'off', agents: {} });
  expect(
    budgets(
      'budgets: {daily_wakes: 50, agents: [{id: alpha, daily_wakes: 0}, {id: beta, daily_wakes: off}, {id: gamma}]}',
    ),
  ).toEqual({ daily_wakes: 50, agents: { alpha: 0, beta: 'off', gamma: 'off' } });
});

it.each([
  ['budgets: {daily_wakes: -1}', 'budgets.daily_wakes: is -1; write how many wakes a day may have'],
  ['budgets: {daily_wakes: 1.5}', 'budgets.daily_wakes: is 1.5'],
  ['budgets: {daily_wakes: many}', 'budgets.daily_wakes: is "many"'],
  ['budgets: {daily: 5}', 'budgets.daily: is not a key'],
  ['budgets: {agents: [{daily_wakes: 5}]}', 'budgets.agents[0].id'],
  ['budgets: {agents: [{id: a}, {id: a}]}', 'budgets.agents[1].id: is "a" again'],
  ['budgets: 5', 'budgets: '],
])('RCPT-14 refuses %s', (text, expected) => {
  expect(() => budgets(text)).toThrow(expected);
});
