import { useApp } from '../live/client.ts';
import { texts } from '../texts.ts';
import styles from './agents-page.module.css';
import { CopyLine } from './controls.tsx';

/** The two lines that attach an agent, with this network's address. */
export function AttachHelp() {
  const networkId = useApp((state) => state.network?.id ?? 'local');
  const room = useApp((state) =>
    state.rooms.some((candidate) => candidate.id === 'general')
      ? 'general'
      : (state.rooms[0]?.id ?? 'general'),
  );
  return (
    <div className={styles.attach}>
      <p>{texts.addAgentText}</p>
      <CopyLine text={texts.connectCommand(location.origin, networkId, room)} label="moltnet connect" />
      <CopyLine text={texts.nodeCommand} label={texts.nodeCommand} />
      <p className={styles.small}>{texts.addAgentRuntime}</p>
    </div>
  );
}
