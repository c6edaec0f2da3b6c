/**
 * A real Chromium for browser tests and screenshots, out of the npm package @sparticuz/chromium: nothing is
 * downloaded and nothing of the machine's own is used. It is unpacked once per version into a folder below the
 * system's temporary one, by a child process into a folder of its own which is then renamed, so that any number of
 * test processes may ask at the same time.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir, userInfo } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { chromium, type Browser } from 'playwright-core';

const require = createRequire(import.meta.url);

/** Starts a headless Chromium; the caller closes it. Throws with the missing libraries' names when it cannot run. */
export async function launchBrowser(): Promise<Browser> {
  const folder = unpackChromium();
  const executablePath = path.join(folder, 'chromium');
  const env: NodeJS.ProcessEnv = { ...process.env, FONTCONFIG_FILE: path.join(folder, 'fonts.conf') };
  // The package brings NSS and its like for machines that lack them; where the machine has them, they fit better.
  if (missingLibraries(executablePath).length > 0) {
    env.LD_LIBRARY_PATH = [path.join(folder, 'al2023', 'lib'), process.env.LD_LIBRARY_PATH]
      .filter(Boolean)
      .join(':');
    const missing = missingLibraries(executablePath, env);
    if (missing.length > 0)
      throw new Error(`Chromium lacks libraries of this machine: ${missing.join(', ')}`);
  }
  return chromium.launch({
    executablePath,
    env: env as Record<string, string>,
    chromiumSandbox: false,
    args: ['--no-sandbox', '--font-render-hinting=none', '--disable-dev-shm-usage'],
  });
}

/** The folder that holds `chromium`, `fonts` and `al2023/lib`; unpacked when it is not there yet. */
export function unpackChromium(): string {
  const entry = require.resolve('@sparticuz/chromium');
  const home = path.resolve(path.dirname(entry), '..');
  const { version } = JSON.parse(readFileSync(path.join(home, 'package.json'), 'utf8')) as {
    version: string;
  };
  const folder = path.join(tmpdir(), `moltnet-chromium-${version}-${userInfo().uid}`);
  if (existsSync(path.join(folder, 'fonts.conf'))) return folder;
  const fresh = mkdtempSync(`${folder}-`);
  // The package unpacks into the temporary folder of its process, and its libraries only where it believes to be on a Lambda.
  const script = `const { default: chromium } = await import(${JSON.stringify(pathToFileURL(entry).href)}); await chromium.executablePath();`;
  execFileSync(process.execPath, ['--input-type=module', '-e', script], {
    env: {
      ...process.env,
      TMPDIR: fresh,
      TEMP: fresh,
      TMP: fresh,
      AWS_EXECUTION_ENV: 'AWS_Lambda_nodejs22.x',
    },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  writeFileSync(path.join(fresh, 'fonts.conf'), fontConfiguration(folder));
  try {
    renameSync(fresh, folder);
  } catch (error) {
    // Another process was first: its folder is as good.
    rmSync(fresh, { recursive: true, force: true });
    if (!existsSync(path.join(folder, 'fonts.conf'))) throw error;
  }
  return folder;
}

/** The machine's fonts, with the package's Open Sans as the interface font where there is nothing better. */
function fontConfiguration(folder: string): string {
  const prefer = (family: string, fonts: string[]) =>
    `<alias binding="strong"><family>${family}</family><prefer>${fonts.map((font) => `<family>${font}</family>`).join('')}</prefer></alias>`;
  return `<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig>
<dir>${path.join(folder, 'fonts')}</dir><dir>/usr/share/fonts</dir><dir>/usr/local/share/fonts</dir>
<cachedir>${path.join(folder, 'fonts-cache')}</cachedir>
${prefer('system-ui', ['Inter', 'Open Sans'])}${prefer('sans-serif', ['Inter', 'Open Sans'])}
${prefer('monospace', ['JetBrains Mono', 'DejaVu Sans Mono'])}
<config></config></fontconfig>
`;
}

function missingLibraries(executable: string, env: NodeJS.ProcessEnv = process.env): string[] {
  try {
    const lines = execFileSync('ldd', [executable], { env, encoding: 'utf8' }).split('\n');
    return lines
      .filter((line) => line.includes('not found'))
      .map((line) => line.trim().split(' ')[0] ?? line);
  } catch {
    // No ldd here: the launch itself will tell.
    return [];
  }
}
