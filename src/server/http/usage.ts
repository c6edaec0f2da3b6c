import { z } from 'zod';
import { requireAccess } from '../../network/access.ts';
import { UsageReport, type UsageItem } from '../../protocol/receipts.ts';
import type { UsageRow } from '../../store/delivery-rows.ts';
import type { ServerContext } from '../context.ts';
import { answers, sendValue } from './answers.ts';
import type { App } from './app.ts';

const DAY = 86_400_000;
const MOST_DAYS = 90;
/** Rows of one answer, and of one read. */
const ROWS = 10_000;
const PAGE = 500;

const UsageQuery = z.object({
  days: z.coerce.number().optional().describe('today and the days before it, at most 90; 1 when left out'),
});

export async function usageRoutes(app: App, context: ServerContext): Promise<void> {
  const { network, store, tail, usage } = context;

  app.get(
    '/v1/usage',
    {
      schema: {
        summary: 'Wakes, tokens and cost by agent, room and day (UTC), and the daily caps',
        tags: ['deliveries'],
        querystring: UsageQuery,
        response: answers({ 200: UsageReport }, 'bad_request', 'unauthorized', 'forbidden'),
      },
    },
    async (request, reply) => {
      requireAccess(network.settings, context.identify(request.raw), 'observe');
      const days = Math.min(Math.max(Math.trunc(request.query.days ?? 1) || 1, 1), MOST_DAYS);
      const since = new Date(tail.now() - (days - 1) * DAY).toISOString().slice(0, 10);
      await usage.flush();
      const rows: UsageRow[] = [];
      for (let last: UsageRow | undefined; rows.length < ROWS; last = rows.at(-1)) {
        const page = await store.usage(since, last, PAGE);
        rows.push(...page);
        if (page.length < PAGE) break;
      }
      const today = usage.today();
      const agents = new Set([...usage.capped(), ...today.keys()]);
      const caps = [...agents].sort().flatMap((agent_id) => {
        const daily_wakes = usage.capOf(agent_id);
        return daily_wakes === 'off' ? [] : [{ agent_id, daily_wakes, today: today.get(agent_id) ?? 0 }];
      });
      return sendValue(reply, { since, usage: rows.map(itemOf), caps });
    },
  );
}

/** Tokens and cost only where a runtime has told any. */
const itemOf = ({ room_id, input_tokens, output_tokens, cost_usd, ...row }: UsageRow): UsageItem => ({
  ...row,
  ...(room_id !== '' && { room_id }),
  ...(input_tokens > 0 && { input_tokens }),
  ...(output_tokens > 0 && { output_tokens }),
  ...(cost_usd > 0 && { cost_usd }),
});
