/** The three configuration files as values, validated and with defaults filled in (wire.md 10). */
import type { GuardSettings } from '../protocol/rooms.ts';
import type { Bindings, WakePolicy } from '../protocol/wake.ts';

export interface RoomConfig {
  id: string;
  name?: string;
  members: string[];
  visibility?: string;
  write_policy?: string;
  guard?: GuardSettings;
  /** Whoever knows it may join by itself; makes the file secret. */
  credential?: string;
  /** With which pairings it is shared; none when absent. */
  federation?: 'none' | 'all' | string[];
  /** `keep`: everything. Undefined: as the network's. */
  retention?: Retention | 'keep';
}

/** What is kept: messages younger than max_age seconds, and of them the newest max_messages. */
export interface Retention {
  max_age?: number;
  max_messages?: number;
}
/** Of every room that says nothing else, and of DMs. */
export interface RetentionSettings extends Retention {
  /** Folder to which what goes is written first. */
  archive?: string;
}

/** So many at once, and so many a second after that. */
export interface Rate {
  per_second: number;
  burst: number;
}

export interface StaticToken {
  /** `tok_` and a hash of the value when it is given none. */
  id?: string;
  value: string;
  scopes: string[];
  agents?: string[];
  /** With the scope `pair`: the id of the pairing that sends it. */
  pairing?: string;
  /** The person it is. */
  human?: { id: string; name?: string };
}

/** `Moltnet`: the server. */
export interface ServerConfig {
  /** The file it came from; undefined for defaults. */
  path?: string;
  network: { id: string; name: string };
  server: {
    /** `host:port`; an empty host in a file or the environment listens on every interface, as in the original. */
    listen_addr: string;
    human_ingress: boolean;
    direct_messages: boolean;
    debug_events: boolean;
    /** Exact origins (`scheme://host[:port]`) of web pages that may call, beside the server's own. */
    allowed_origins: string[];
    /** Host names, beside IP literals, localhost and single-label names, that the Host header may carry in mode none. */
    allowed_hosts: string[];
    public_url?: string;
    /** Of the original: the proxy at loopback is trusted for its scheme. trusted_proxies says more. */
    trust_forwarded_proto: boolean;
    /** Addresses or CIDR ranges of proxies whose X-Forwarded-For, -Proto and -Host are believed; nobody else's are. */
    trusted_proxies: string[];
    analytics?: { provider: string; measurement_id: string };
  };
  auth: {
    mode: 'none' | 'bearer' | 'open';
    public_read: boolean;
    agent_registration: 'disabled' | 'token' | 'open';
    /** Anybody may claim an id that a private room names as a member. */
    first_come_claims: boolean;
    tokens: StaticToken[];
  };
  /** What one caller may do in a time, `off` for no limit; nothing is counted in mode none (docs/configuration.md). */
  rates: {
    /** All requests of one address without a valid credential; never loopback. */
    anonymous: Rate | 'off';
    /** Messages of one identity. */
    sends: Rate | 'off';
    /** Messages of one pair token, in the place of `sends`. */
    pair: Rate | 'off';
    /** Claims of agent ids, and credentials that are not known, of one address; never loopback. */
    claims: Rate | 'off';
  };
  storage: { kind: 'memory' | 'sqlite' | 'postgres'; sqlite: { path: string }; postgres?: { dsn: string } };
  /** Undefined when the file declares none: an empty store then gets `general`. */
  rooms?: RoomConfig[];
  guard: GuardSettings;
  /** Undefined: everything is kept. */
  retention?: RetentionSettings;
  /** Undefined: no caps. */
  budgets?: BudgetSettings;
  pairings: {
    id: string;
    remote_base_url: string;
    remote_network_id?: string;
    remote_network_name?: string;
    token?: string;
    status?: string;
  }[];
}

/** Wakes that an agent may have in a day (UTC): of its own, else `daily_wakes`. */
export interface BudgetSettings {
  daily_wakes: number | 'off';
  agents: Readonly<Record<string, number | 'off'>>;
}

export interface TokenSource {
  token?: string;
  token_env?: string;
  token_path?: string;
}

export type RuntimeValue = string | number | boolean | readonly string[] | Readonly<Record<string, string>>;

/** What every kind takes, and what its own table of fields (runtime-block.ts) adds. */
export interface RuntimeConfig {
  kind: string;
  token?: string;
  driver?: string;
  /** Absolute, like every path. */
  workspace_path?: string;
  home_path?: string;
  session_prefix?: string;
  /** Additive. Seconds without output, and in all, after which a turn is ended (300 and 3600). */
  inactivity_timeout?: number;
  turn_timeout?: number;
  /** Additive. Turns at once in this workspace (default 1 per workspace path, 4 per node). */
  max_turns?: number;
  [field: string]: RuntimeValue | undefined;
}

export interface AttachmentConfig {
  agent: { id: string; name?: string };
  /** Base URL of the server, without a trailing slash. */
  base_url: string;
  /** Of more servers of the same network, tried in turn when it does not answer. */
  other_urls?: string[];
  network_id: string;
  auth: {
    mode: 'none' | 'bearer' | 'open';
    registration?: 'disabled' | 'token' | 'open';
    static_token: boolean;
  } & TokenSource;
  runtime: RuntimeConfig;
  rooms: { id: string; wake: WakePolicy }[];
  dms: Bindings['dms'];
  /** A word leaves the limits to the server. */
  catch_up: Bindings['catch_up'];
  /** Wake the agent once per room when it is first attached; `never` unless asked for. */
  bootstrap: boolean;
  /** What of a turn is posted: what the agent sends; or also its final text, when it has sent nothing itself. */
  publish: Publish;
}
export type Publish = 'explicit' | 'final';

/** `MoltnetNode`, or a bridge file with its one attachment. */
export interface NodeConfig {
  path?: string;
  attachments: AttachmentConfig[];
  max_turns: number;
}

/** `.moltnet/config.json` of an agent's workspace: how its CLI reaches the network. */
export interface ClientConfig {
  path: string;
  agent: { name: string; runtime: string };
  attachments: ClientAttachment[];
}
export interface ClientAttachment {
  agent_name?: string;
  auth: { mode: 'none' | 'bearer' | 'open'; registration?: string } & TokenSource;
  base_url: string;
  /** As in AttachmentConfig. */
  other_urls?: string[];
  dms?: { enabled: boolean; wake?: string };
  member_id: string;
  network_id: string;
  rooms: { id: string; wake?: string; can_write?: boolean }[];
  runtime?: string;
}
