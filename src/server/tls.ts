// Reads the server's certificate files and says everything that is wrong with them at once.

import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { ConfigError, type ConfigFault } from '../model/errors.ts'
import { parseRevocation, type Revocation } from '../pki/revocation.ts'
import type { ServerConfig } from './config.ts'

export interface TlsFiles {
  readonly ca: Buffer
  readonly cert: Buffer
  readonly key: Buffer
  readonly revocation: Revocation
  /** End of the server's own certificate. */
  readonly validToMs: number
}

/** Throws ConfigError: missing or unreadable files, a key that does not match, an expired certificate, a foreign CRL. */
export function readTlsFiles(paths: ServerConfig['tls'], nowMs: number): TlsFiles {
  const faults: ConfigFault[] = []
  const attempt = <T>(path: string, expected: string, read: () => T): T | undefined => {
    try {
      return read()
    } catch (error) {
      if (error instanceof ConfigError) faults.push(...error.faults)
      else faults.push({ path, expected, found: (error as Error).message })
      return undefined
    }
  }
  const readFile = (flag: string, path: string) =>
    attempt(flag, 'a readable file (make one with: certs init --host NAME)', () => readFileSync(path))
  const [ca, cert, key, crl] = [
    readFile('--tls-ca', paths.ca),
    readFile('--tls-cert', paths.cert),
    readFile('--tls-key', paths.key),
    readFile('--tls-crl', paths.crl)
  ]
  const certificate = cert && attempt('--tls-cert', 'a certificate in PEM', () => new X509Certificate(cert))
  const privateKey = key && attempt('--tls-key', 'a private key in PEM', () => createPrivateKey(key))
  if (ca) attempt('--tls-ca', 'a certificate in PEM', () => new X509Certificate(ca))
  if (certificate && privateKey && !certificate.checkPrivateKey(privateKey)) {
    faults.push({ path: '--tls-key', expected: `the key of ${paths.cert}`, found: 'the key of another certificate' })
  }
  if (certificate && certificate.validToDate.getTime() < nowMs) {
    faults.push({
      path: '--tls-cert',
      expected: 'a certificate valid now',
      found: `one that expired on ${certificate.validTo}`
    })
  }
  const revocation =
    ca &&
    crl &&
    attempt('--tls-crl', 'a CRL in PEM, signed by the CA', () =>
      parseRevocation(crl.toString(), ca.toString(), { crl: '--tls-crl', ca: '--tls-ca' })
    )
  if (faults.length > 0) throw new ConfigError(faults)
  return { ca: ca!, cert: cert!, key: key!, revocation: revocation!, validToMs: certificate!.validToDate.getTime() }
}
