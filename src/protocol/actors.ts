import { z } from 'zod';

/** Who wrote something, as the server knows it (never as the request claims it). `fqid` is `molt://net/agents/id`. */
export const Actor = z.object({
  type: z.string().describe('`agent`, `human` or `system`'),
  id: z.string(),
  name: z.string().optional(),
  network_id: z.string().optional(),
  fqid: z.string().optional(),
});
export type Actor = z.infer<typeof Actor>;
