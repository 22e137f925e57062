// Certificate and key of the HTTP port. They are exchanged while the server runs, because public certificates live for
// weeks.

import type { ReportSecurity } from '../../model/server/security.ts'
import { FilesInForce } from '../trust/filesInForce.ts'
import { type KeyPair, Reading } from '../trust/keyPair.ts'

interface Paths {
  readonly cert: string
  readonly key: string
}

/** Throws ConfigError. */
export const openHttpTls = (paths: Paths, report: ReportSecurity): FilesInForce<keyof Paths, KeyPair> =>
  new FilesInForce({ paths, read: () => readHttpTls(paths, Date.now()), report })

/**
 * Throws ConfigError for missing or unreadable files, a key that does not match, a certificate that is not valid now.
 */
function readHttpTls(paths: Paths, nowMs: number): KeyPair {
  const reading = new Reading()
  const at = (name: keyof Paths) => ({ flag: `--http-tls-${name}`, path: paths[name] })
  const pair = reading.keyPair(at('cert'), at('key'), nowMs)
  reading.end('--http-tls-cert', { ...pair })
  return pair!
}
