import type { AttachmentConfig } from '../../src/config/types.ts';

export type AgentConfig = Partial<AttachmentConfig> & { agent: { id: string; name?: string } };

/** An attachment as a node's file without particulars gives it, in auth mode none. */
export function attachmentConfig(base_url: string, agent: AgentConfig): AttachmentConfig {
  return {
    base_url,
    network_id: 'local',
    auth: { mode: 'none', static_token: false },
    runtime: { kind: 'fake-runtime' },
    rooms: [{ id: 'general', wake: 'all' }],
    dms: { enabled: true, wake: 'all' },
    catch_up: 'all',
    bootstrap: false,
    publish: 'explicit',
    ...agent,
  };
}
