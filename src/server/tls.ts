// Reads the server's certificate files and says everything that is wrong with them at once.

import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createSecureContext } from 'node:tls'
import { ConfigError, type ConfigFault } from '../model/errors.ts'
import { Trust } from '../pki/trust.ts'
import type { ServerConfig } from './config.ts'

export interface TlsFiles {
  readonly ca: Buffer
  readonly cert: Buffer
  readonly key: Buffer
  readonly crl: Buffer
  readonly trust: Trust
  /** End of the server's own certificate. */
  readonly validToMs: number
}

interface ReadOptions {
  readonly nowMs: number
  readonly crlStrict: boolean
  /** What is in force: the new ones must not say less. */
  readonly former?: TlsFiles
}

/**
 * Throws ConfigError: missing, unreadable or half-written files, a key that does not match, a certificate or CAs that are not
 * valid now, a CRL of another signer or older than the one in force, and whatever OpenSSL refuses.
 */
export function readTlsFiles(paths: ServerConfig['tls'], { nowMs, crlStrict, former }: ReadOptions): TlsFiles {
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
  if (certificate && privateKey && !certificate.checkPrivateKey(privateKey)) {
    faults.push({ path: '--tls-key', expected: `the key of ${paths.cert}`, found: 'the key of another certificate' })
  }
  if (certificate) faults.push(...datesFaults(certificate, nowMs))
  const trustPaths = { ca: '--tls-ca', crl: '--tls-crl' }
  const trust =
    ca &&
    crl &&
    attempt('--tls-ca', 'CA certificates', () =>
      Trust.parse({
        caPem: ca.toString(),
        crlPem: crl.toString(),
        paths: trustPaths,
        nowMs,
        crlStrict,
        former: former?.trust
      })
    )
  if (faults.length === 0) {
    attempt('--tls-cert', 'files that OpenSSL takes', () => createSecureContext({ ca: ca!, cert: cert!, key: key! }))
  }
  if (faults.length > 0) throw new ConfigError(faults)
  return {
    ca: ca!,
    cert: cert!,
    key: key!,
    crl: crl!,
    trust: trust!,
    validToMs: certificate!.validToDate.getTime()
  }
}

function datesFaults(
  { validFrom, validTo, validFromDate, validToDate }: X509Certificate,
  nowMs: number
): ConfigFault[] {
  const fault = (found: string): ConfigFault[] => [{ path: '--tls-cert', expected: 'a certificate valid now', found }]
  if (validToDate.getTime() < nowMs) return fault(`one that expired on ${validTo}`)
  return validFromDate.getTime() > nowMs ? fault(`one that is valid from ${validFrom}`) : []
}
