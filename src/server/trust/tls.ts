// Reads the server's certificate files, and reports all faults at once.

import { Trust } from '../../pki/revocation/trust.ts'
import type { ServerConfig } from '../config.ts'
import { type KeyPair, Reading } from './keyPair.ts'

/** `validToMs`: of the server's own certificate. */
export interface TlsFiles extends KeyPair {
  readonly ca: Buffer
  readonly crl: Buffer
  readonly trust: Trust
}

interface ReadOptions {
  readonly nowMs: number
  readonly crlStrict: boolean
  /** The files in force. New ones must not revoke less. */
  readonly former?: TlsFiles
}

/**
 * Throws ConfigError for missing, unreadable or half-written files, a key that does not match, a certificate or CAs
 * that are not valid now, a CRL of another signer or older than the one in force, and whatever OpenSSL refuses.
 */
export function readTlsFiles(paths: ServerConfig['tls'], { nowMs, crlStrict, former }: ReadOptions): TlsFiles {
  const reading = new Reading('"chargelift certs init --host NAME" makes it.')
  const at = (name: keyof typeof paths) => ({ flag: `--tls-${name}`, path: paths[name] })
  const [ca, pair, crl] = [
    reading.file(at('ca')),
    reading.keyPair(at('cert'), at('key'), nowMs),
    reading.file(at('crl'))
  ]
  const trust =
    ca &&
    crl &&
    reading.attempt('--tls-ca', 'CA certificates', () =>
      Trust.parse({
        caPem: ca.toString(),
        crlPem: crl.toString(),
        paths: { ca: '--tls-ca', crl: '--tls-crl' },
        nowMs,
        crlStrict,
        former: former?.trust
      })
    )
  reading.end('--tls-cert', { ...pair, ...(ca && { ca }) })
  return { ...pair!, ca: ca!, crl: crl!, trust: trust! }
}
