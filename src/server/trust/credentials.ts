// The certificate files in force: whom they let in, and what about them needs an operator (metric, /readyz, log).

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
  /** Something that an operator should do soon; told once. */
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

  /** Why what lies on the disk is not in force; undefined when it is. */
  get fault(): string | undefined {
    return this.#files.fault
  }

  /** A CA has no list that is still in force. */
  get crlExpired(): boolean {
    return this.current.trust.revocation.nextUpdateMs < this.#now()
  }

  /** Throws DeniedError for whom the server does not trust. */
  judge(certificate: X509Certificate, anew: boolean): void {
    this.current.trust.judge(certificate, this.#now(), anew)
  }

  /** What needs an operator, though the server works; one sentence each. */
  get warnings(): readonly string[] {
    const { validToMs, trust } = this.current
    const warnings: string[] = []
    if (this.fault !== undefined) warnings.push(`certificate files are refused, the former are in force: ${this.fault}`)
    if (this.crlExpired) {
      const effect = this.#options.crlStrict ? 'nobody of its CA is let in' : 'it still counts'
      warnings.push(`a revocation list ended on ${dateOf(trust.revocation.nextUpdateMs)}: ${effect}`)
    }
    if (validToMs < this.#now() + serverRenewalMs) {
      warnings.push(`the server's certificate ends on ${dateOf(validToMs)} (certs init makes a new one)`)
    }
    return warnings
  }

  /** Looks at the files until the returned function is called. `replaced` is told of what has come into force. */
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
