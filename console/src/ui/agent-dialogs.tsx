import { useState } from 'react';
import type { AgentSummary } from '../../../src/protocol/agents.ts';
import { api } from '../live/api.ts';
import { useApp } from '../live/client.ts';
import { agentName, plainName } from '../model/names.ts';
import { texts } from '../texts.ts';
import styles from './agents-page.module.css';
import {
  Button,
  CopyLine,
  Dialog,
  DialogButtons,
  DialogError,
  Field,
  Labelled,
  Select,
} from './controls.tsx';
import { ConfirmDialog } from './confirm.tsx';
import { Icon } from './icons.tsx';
import { Link } from './link.tsx';
import { navigate, paths } from './router.ts';
import { tell } from './toast.tsx';
import { useAction } from './use-read.ts';

const RUNTIMES = ['claude-code', 'codex', 'gemini', 'openclaw', 'picoclaw', 'tinyclaw', 'pi'];

/** The two lines that attach an agent, made for it; it says so when the agent is there. */
export function AddAgentDialog({ onClose }: { onClose: () => void }) {
  const networkId = useApp((state) => state.network?.id ?? 'local');
  const rooms = useApp((state) => state.rooms);
  const needsCode = useApp(
    (state) => state.identity?.mode !== 'none' && state.network?.capabilities.agent_registration !== 'open',
  );
  const [id, setId] = useState('');
  const [runtime, setRuntime] = useState(RUNTIMES[0]!);
  const [room, setRoom] = useState(
    () => (rooms.find((known) => known.id === 'general') ?? rooms[0])?.id ?? 'general',
  );
  const [code, setCode] = useState<{ id: string; code: string }>();
  const { working, error, run } = useAction();
  const wanted = id.trim();
  const valid = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/.test(wanted);
  const agent = useApp((state) => state.agents.find((known) => known.id === wanted));
  const ready = valid && (!needsCode || code?.id === wanted);
  return (
    <Dialog title={texts.addAgent} onClose={onClose} wide>
      <div className={styles.add}>
        <Labelled label={texts.agentId}>
          <Field
            value={id}
            onChange={(event) => setId(event.target.value)}
            placeholder="reviewer"
            autoCapitalize="off"
            autoComplete="off"
            spellCheck={false}
            autoFocus
          />
        </Labelled>
        <Labelled label={texts.runtime}>
          <Select value={runtime} onChange={(event) => setRuntime(event.target.value)}>
            {RUNTIMES.map((kind) => (
              <option key={kind}>{kind}</option>
            ))}
          </Select>
        </Labelled>
        <Labelled label={texts.room}>
          <Select value={room} onChange={(event) => setRoom(event.target.value)}>
            {rooms.map((known) => (
              <option key={known.id} value={known.id}>
                #{plainName(known.name) || known.id}
              </option>
            ))}
          </Select>
        </Labelled>
      </div>
      {needsCode && valid && code?.id !== wanted && (
        <p>
          {texts.needsCode}{' '}
          <Button
            onClick={() =>
              void run(async () => setCode({ id: wanted, code: (await api.inviteAgent(wanted)).code }))
            }
            disabled={working}
          >
            {texts.makeCode}
          </Button>
        </p>
      )}
      {error !== undefined && <DialogError>{error}</DialogError>}
      {ready && (
        <>
          <p>{texts.addAgentText}</p>
          <CopyLine
            text={texts.connectAgent(
              wanted,
              location.origin,
              networkId,
              runtime,
              room,
              code?.id === wanted ? code.code : undefined,
            )}
            label="moltnet connect"
          />
          <CopyLine text={texts.nodeCommand} label={texts.nodeCommand} />
        </>
      )}
      <p role="status" className={styles.waits}>
        {!valid ? (
          texts.addAgentFirst
        ) : agent?.connected ? (
          <>
            <Icon name="check" size={14} /> {texts.agentJoined(agentName(agent))}{' '}
            <Link href={paths.agent(agent.id)} onClick={onClose}>
              {texts.openAgent}
            </Link>
          </>
        ) : agent ? (
          texts.agentKnown(agentName(agent))
        ) : ready ? (
          texts.agentWaits(wanted)
        ) : null}
      </p>
      <DialogButtons>
        <Button onClick={onClose}>{texts.close}</Button>
      </DialogButtons>
    </Dialog>
  );
}

/** A new token for an agent that lost its own; it is shown once. */
export function RotateTokenDialog({ agent, onClose }: { agent: AgentSummary; onClose: () => void }) {
  const [token, setToken] = useState<string>();
  const { working, error, run } = useAction();
  const rotate = () => run(async () => setToken((await api.rotateToken(agent.id)).agent_token ?? ''));
  return (
    <Dialog title={texts.rotateTitle(agentName(agent))} onClose={onClose}>
      {token === undefined ? (
        <p>{texts.rotateText}</p>
      ) : (
        <>
          <p>{texts.rotated}</p>
          <CopyLine text={token} label={texts.token} />
        </>
      )}
      {error !== undefined && <DialogError>{error}</DialogError>}
      <DialogButtons>
        <Button onClick={onClose} autoFocus>
          {token === undefined ? texts.cancel : texts.close}
        </Button>
        {token === undefined && (
          <Button kind="danger" onClick={() => void rotate()} disabled={working}>
            {texts.rotate}
          </Button>
        )}
      </DialogButtons>
    </Dialog>
  );
}

export function RemoveAgentDialog({ agent, onClose }: { agent: AgentSummary; onClose: () => void }) {
  const name = agentName(agent);
  return (
    <ConfirmDialog
      title={texts.removeAgentTitle(name)}
      action={texts.removeAgent}
      run={() => api.removeAgent(agent.id)}
      onDone={() => {
        navigate(paths.agents, { replace: true });
        tell(texts.agentRemoved(name));
      }}
      onClose={onClose}
    >
      {texts.removeAgentText}
    </ConfirmDialog>
  );
}
