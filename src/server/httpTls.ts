// Certificate and key of the HTTP port, and their exchange while the server runs: public certificates live for weeks. What is
// refused changes nothing: the former ones stay in force, and it is told.

import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createSecureContext } from 'node:tls'
import { ConfigError, type ConfigFault } from '../model/errors.ts'
import { tlsFilesLookMs } from '../model/limits.ts'
import type { ReportSecurity } from '../model/security.ts'
import { FileWatch } from './fileWatch.ts'

interface Paths {
  readonly cert: string
  readonly key: string
}

export interface HttpTlsFiles {
  readonly cert: Buffer
  readonly key: Buffer
  /** End of the certificate. */
  readonly validToMs: number
}

export class HttpTls {
  readonly #paths: Paths
  readonly #report: ReportSecurity
  readonly #watch: FileWatch
  #current: HttpTlsFiles
  #replaced: (next: HttpTlsFiles) => void = () => {}
  #fault: string | undefined

  /** Throws ConfigError. */
  constructor(paths: Paths, report: ReportSecurity) {
    this.#paths = paths
    this.#report = report
    this.#watch = new FileWatch([paths.cert, paths.key])
    this.#current = readHttpTls(paths, Date.now())
  }

  get current(): HttpTlsFiles {
    return this.#current
  }

  /** Looks at the files until the returned function is called. `replaced` is told of what has come into force. */
  watch(replaced: (next: HttpTlsFiles) => void): () => void {
    this.#replaced = replaced
    const timer = setInterval(async () => {
      if (await this.#watch.hasChanged()) this.#exchange()
    }, tlsFilesLookMs)
    return () => clearInterval(timer)
  }

  /** Reads the files now. */
  reload(): void {
    this.#watch.forget()
    this.#exchange()
  }

  #exchange(): void {
    const files = [this.#paths.cert, this.#paths.key]
    try {
      const next = readHttpTls(this.#paths, Date.now())
      const isNew = !next.cert.equals(this.#current.cert) || !next.key.equals(this.#current.key)
      if (isNew) {
        this.#current = next
        this.#replaced(next)
      }
      const reason = isNew ? '' : 'the files are again those in force'
      if (isNew || this.#fault !== undefined) this.#report({ event: 'reloaded', files, reason })
      this.#fault = undefined
    } catch (error) {
      const reason = (error as Error).message.replaceAll('\n', '; ')
      if (reason !== this.#fault) this.#report({ event: 'reload_failed', files, reason })
      this.#fault = reason
    }
  }
}

/** Throws ConfigError: missing or unreadable files, a key that does not match, a certificate that is not valid now. */
function readHttpTls(paths: Paths, nowMs: number): HttpTlsFiles {
  const faults: ConfigFault[] = []
  const attempt = <T>(path: string, expected: string, read: () => T): T | undefined => {
    try {
      return read()
    } catch (error) {
      faults.push({ path, expected, found: (error as Error).message })
      return undefined
    }
  }
  const cert = attempt('--http-tls-cert', 'a readable file', () => readFileSync(paths.cert))
  const key = attempt('--http-tls-key', 'a readable file', () => readFileSync(paths.key))
  const certificate = cert && attempt('--http-tls-cert', 'a certificate in PEM', () => new X509Certificate(cert))
  const privateKey = key && attempt('--http-tls-key', 'a private key in PEM', () => createPrivateKey(key))
  if (certificate && privateKey && !certificate.checkPrivateKey(privateKey)) {
    const expected = `the key of ${paths.cert}`
    faults.push({ path: '--http-tls-key', expected, found: 'the key of another certificate' })
  }
  if (certificate && (certificate.validToDate.getTime() < nowMs || certificate.validFromDate.getTime() > nowMs)) {
    const found = `one that is valid from ${certificate.validFrom} to ${certificate.validTo}`
    faults.push({ path: '--http-tls-cert', expected: 'a certificate valid now', found })
  }
  if (faults.length === 0) {
    attempt('--http-tls-cert', 'files that OpenSSL takes', () => createSecureContext({ cert: cert!, key: key! }))
  }
  if (faults.length > 0) throw new ConfigError(faults)
  return { cert: cert!, key: key!, validToMs: certificate!.validToDate.getTime() }
}
