/** `budgets` of the server's file: how many wakes an agent may have in a day (UTC). */
import { idTest, show, type Section } from './check.ts';
import type { BudgetSettings } from './types.ts';

const MOST = 1_000_000;

/** Undefined when nothing of it is set. */
export function readBudgets(root: Section): BudgetSettings | undefined {
  const budgets = root.section('budgets', ['daily_wakes', 'agents']);
  if (!budgets) return undefined;
  const agents: Record<string, number | 'off'> = {};
  for (const agent of budgets.sections('agents', ['id', 'daily_wakes'])) {
    const id = agent.required('id', idTest);
    if (Object.hasOwn(agents, id)) agent.note('id', `is ${JSON.stringify(id)} again`, 'an agent stands once');
    agents[id] = wakes(agent) ?? 'off';
  }
  return { daily_wakes: wakes(budgets) ?? 'off', agents };
}

function wakes(section: Section): number | 'off' | undefined {
  if (!section.has('daily_wakes')) return undefined;
  const raw = section.raw('daily_wakes');
  if (raw === 'off' || raw === false) return 'off';
  if (typeof raw === 'number' && Number.isInteger(raw) && raw >= 0 && raw <= MOST) return raw;
  section.note(
    'daily_wakes',
    `is ${show(raw)}`,
    `write how many wakes a day may have (0 to ${MOST}), or off`,
  );
  return undefined;
}
