import type { ReactNode } from 'react';
import { texts } from '../texts.ts';
import { Button, Dialog, DialogButtons, DialogError } from './controls.tsx';
import { useAction } from './use-read.ts';

/** Says what will happen, and does it when asked once more. */
export function ConfirmDialog({
  title,
  children,
  action,
  kind = 'danger',
  run: act,
  onDone,
  onClose,
}: {
  title: string;
  /** What will happen. */
  children: ReactNode;
  /** The words of the button that does it. */
  action: string;
  kind?: 'primary' | 'danger';
  run: () => Promise<unknown>;
  onDone?: () => void;
  onClose: () => void;
}) {
  const { working, error, run } = useAction();
  const confirm = async () => {
    if (!(await run(act))) return;
    onClose();
    onDone?.();
  };
  return (
    <Dialog title={title} onClose={onClose}>
      <p>{children}</p>
      {error !== undefined && <DialogError>{error}</DialogError>}
      <DialogButtons>
        <Button onClick={onClose} autoFocus>
          {texts.cancel}
        </Button>
        <Button kind={kind} onClick={() => void confirm()} disabled={working}>
          {action}
        </Button>
      </DialogButtons>
    </Dialog>
  );
}
