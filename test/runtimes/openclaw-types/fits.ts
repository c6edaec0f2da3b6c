/**
 * What packages/openclaw-moltnet says of OpenClaw's plugin interface, held against the installed OpenClaw's own types.
 * Compiled by RT-115 alone, because the project's own install has no OpenClaw. The context of a turn is opaque to us.
 */
import type { ChannelPlugin, PluginRuntime } from 'openclaw/plugin-sdk/channel-core';
import { createChannel } from '../../../packages/openclaw-moltnet/src/channel.ts';
import type * as Ours from '../../../packages/openclaw-moltnet/src/openclaw-api.ts';

type Inbound = PluginRuntime['channel']['inbound'];
type Built = Awaited<ReturnType<Inbound['buildContext']>>;
type OpaqueTurn = Omit<Ours.InboundTurn, 'ctxPayload'> & { ctxPayload: Built };
interface OpaqueRuntime extends Omit<Ours.PluginRuntime, 'channel'> {
  channel: Omit<Ours.ChannelRuntime, 'inbound'> & {
    inbound: {
      buildContext(facts: Ours.InboundFacts): Promise<object> | object;
      dispatch(turn: OpaqueTurn): ReturnType<Ours.ChannelRuntime['inbound']['dispatch']>;
    };
  };
}

export const runtimeFits = (runtime: PluginRuntime): OpaqueRuntime => runtime;
export const channelFits = (runtime: () => Ours.PluginRuntime): ChannelPlugin => createChannel(runtime);
