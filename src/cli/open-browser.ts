/** Opens an address in the person's browser. */
import { spawn } from 'node:child_process';

/**
 * Resolves with whether a browser's opener took it. `BROWSER` names another program; on a machine without a screen
 * none is tried.
 */
export function openInBrowser(
  url: string,
  env: NodeJS.ProcessEnv,
  platform: NodeJS.Platform = process.platform,
): Promise<boolean> {
  const [program, ...args] = opener(url, env, platform) ?? [];
  if (program === undefined) return Promise.resolve(false);
  return new Promise((resolve) => {
    const child = spawn(program, args, { env, stdio: 'ignore', detached: platform !== 'win32' });
    child.once('error', () => resolve(false));
    child.once('spawn', () => {
      // It may stay as long as the browser does; one that fails at once has opened nothing.
      const kept = setTimeout(() => {
        child.unref();
        resolve(true);
      }, 1_000);
      child.once('exit', (code) => {
        clearTimeout(kept);
        resolve(code === 0);
      });
    });
  });
}

function opener(url: string, env: NodeJS.ProcessEnv, platform: NodeJS.Platform): string[] | undefined {
  const browser = env['BROWSER']?.trim();
  if (browser) return [browser, url];
  if (platform === 'darwin') return ['open', url];
  // Not `start`: the shell would take the address apart at its `&`.
  if (platform === 'win32') return ['rundll32', 'url.dll,FileProtocolHandler', url];
  return env['DISPLAY'] || env['WAYLAND_DISPLAY'] ? ['xdg-open', url] : undefined;
}
