// Certificate and key of the HTTP port, and everything that is wrong with them at once.

import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { ConfigError, type ConfigFault } from '../model/errors.ts'

export interface HttpTls {
  readonly cert: Buffer
  readonly key: Buffer
}

/** Throws ConfigError: missing or unreadable files, a key that does not match, an expired certificate. */
export function readHttpTls(paths: { readonly cert: string; readonly key: string }, nowMs: number): HttpTls {
  const faults: ConfigFault[] = []
  const read = <T>(path: string, expected: string, parse: () => T): T | undefined => {
    try {
      return parse()
    } catch (error) {
      faults.push({ path, expected, found: (error as Error).message })
      return undefined
    }
  }
  const cert = read('--http-tls-cert', 'a readable file', () => readFileSync(paths.cert))
  const key = read('--http-tls-key', 'a readable file', () => readFileSync(paths.key))
  const certificate = cert && read('--http-tls-cert', 'a certificate in PEM', () => new X509Certificate(cert))
  const privateKey = key && read('--http-tls-key', 'a private key in PEM', () => createPrivateKey(key))
  if (certificate && privateKey && !certificate.checkPrivateKey(privateKey)) {
    const expected = `the key of ${paths.cert}`
    faults.push({ path: '--http-tls-key', expected, found: 'the key of another certificate' })
  }
  if (certificate && certificate.validToDate.getTime() < nowMs) {
    const found = `one that expired on ${certificate.validTo}`
    faults.push({ path: '--http-tls-cert', expected: 'a certificate valid now', found })
  }
  if (faults.length > 0) throw new ConfigError(faults)
  return { cert: cert!, key: key! }
}
