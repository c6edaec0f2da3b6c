/** Certificates for tests, made by the openssl of the machine: an authority, and one for `localhost` that it has signed. */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

export interface TestAuthority {
  /** File with the authority's certificate. */
  ca: string;
  /** PEM of a certificate of it for the DNS names, and its key. */
  issue(...names: string[]): { cert: string; key: string; certFile: string; keyFile: string };
}

const CURVE = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

/** Its files stand in the folder under its name. */
export function testAuthority(folder: string, name: string): TestAuthority {
  const file = (of: string): string => path.join(folder, `${name}-${of}`);
  const openssl = (...words: string[]): void => {
    const { status, stderr, error } = spawnSync('openssl', words, { cwd: folder, encoding: 'utf8' });
    if (status !== 0) throw new Error(`openssl ${words[0]} failed: ${error?.message ?? stderr}`);
  };
  const [ca, key] = [file('ca.pem'), file('ca.key')];
  openssl('req', '-x509', ...CURVE, '-keyout', key, '-out', ca, '-days', '2', '-subj', `/CN=${name}`);
  let issued = 0;
  return {
    ca,
    issue(...names) {
      const [request, own, cert, names_] = ['csr', 'key', 'pem', 'ext'].map((of) =>
        file(`${issued}.${of}`),
      ) as [string, string, string, string];
      issued++;
      writeFileSync(names_, `subjectAltName=${names.map((each) => `DNS:${each}`).join(',')}\n`);
      openssl('req', ...CURVE, '-keyout', own, '-out', request, '-subj', `/CN=${names[0]}`);
      openssl(
        'x509',
        '-req',
        '-in',
        request,
        '-CA',
        ca,
        '-CAkey',
        key,
        '-CAcreateserial',
        '-days',
        '2',
        '-extfile',
        names_,
        '-out',
        cert,
      );
      return {
        cert: readFileSync(cert, 'utf8'),
        key: readFileSync(own, 'utf8'),
        certFile: cert,
        keyFile: own,
      };
    },
  };
}
