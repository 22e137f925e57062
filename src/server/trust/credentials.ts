// The certificate files in force: which clients they let in, and what an operator must do about them (metric, /readyz,
// log).

import type { X509Certificate } from 'node:crypto'
import type { ReportSecurity } from '../../model/server/security.ts'
import { serverRenewalMs } from '../../pki/authority/limits.ts'
import type { ServerConfig } from '../config.ts'
import { FilesInForce } from './filesInForce.ts'
import { readTlsFiles, type TlsFiles } from './tls.ts'

export interface CredentialsOptions {
  readonly paths: ServerConfig['tls']
  readonly crlStrict: boolean
  readonly report: ReportSecurity
  /** Something that an operator should do soon. Called once for each warning. */
  readonly warned: (warning: string) => void
  readonly now?: () => number
}

export class Credentials {
  readonly #options: CredentialsOptions
  readonly #now: () => number
  readonly #files: FilesInForce<keyof ServerConfig['tls'], TlsFiles>
  #told: readonly string[] = []

  /** Throws ConfigError. */
  constructor(options: CredentialsOptions) {
    const { paths, crlStrict, report, now = Date.now } = options
    this.#options = options
    this.#now = now
    const read = (former?: TlsFiles): TlsFiles =>
      readTlsFiles(paths, { nowMs: now(), crlStrict, ...(former && { former }) })
    this.#files = new FilesInForce({ paths, read, report })
  }

  get current(): TlsFiles {
    return this.#files.current
  }

  /** Why the files on the disk are not in force. Undefined when they are. */
  get fault(): string | undefined {
    return this.#files.fault
  }

  /** A CA has no revocation list that is still valid. */
  get crlExpired(): boolean {
    return this.current.trust.revocation.nextUpdateMs < this.#now()
  }

  /** Throws DeniedError for a certificate that the server does not trust. */
  judge(certificate: X509Certificate, anew: boolean): void {
    this.current.trust.judge(certificate, this.#now(), anew)
  }

  /** What an operator should do although the server works, one sentence each. */
  get warnings(): readonly string[] {
    const { validToMs, trust } = this.current
    const warnings: string[] = []
    if (this.fault !== undefined) warnings.push(`certificate files are refused, the former are in force: ${this.fault}`)
    if (this.crlExpired) {
      const effect = this.#options.crlStrict ? 'no client of its CA is let in' : 'it still counts'
      warnings.push(`a revocation list ended on ${dateOf(trust.revocation.nextUpdateMs)}: ${effect}`)
    }
    if (validToMs < this.#now() + serverRenewalMs) {
      warnings.push(`the server's certificate ends on ${dateOf(validToMs)} (certs init makes a new one)`)
    }
    return warnings
  }

  /**
   * Watches the files until the returned function is called. `replaced` is called with the files that came into force.
   */
  watch(replaced: (next: TlsFiles, former: TlsFiles) => void): () => void {
    return this.#files.watch(replaced, () => this.#warn())
  }

  /** Reads the files now. */
  reload(): void {
    this.#files.reload()
  }

  #warn(): void {
    const { warnings } = this
    for (const warning of warnings) if (!this.#told.includes(warning)) this.#options.warned(warning)
    this.#told = warnings
  }
}

const dateOf = (ms: number): string => new Date(ms).toISOString().slice(0, 10)
