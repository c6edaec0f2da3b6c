/** How a person calls this program: `moltnet` where that word finds it, else the path of the launcher. */
import { accessSync, constants } from 'node:fs';
import path from 'node:path';
import { launcherFolder } from './launcher.ts';
import { shellWord } from './shell-word.ts';

export function commandName(env: NodeJS.ProcessEnv): string {
  const folders = (env['PATH'] ?? '').split(path.delimiter).filter((folder) => folder !== '');
  // `npm start` adds folders to PATH that the person's next terminal does not have.
  const own =
    env['npm_lifecycle_event'] === undefined
      ? folders
      : folders.filter((folder) => !folder.includes('node_modules'));
  if (own.some((folder) => isExecutable(path.join(folder, 'moltnet')))) return 'moltnet';
  const launcher = launcherFolder();
  return launcher === undefined ? 'moltnet' : shellWord(path.join(launcher, 'moltnet'));
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
