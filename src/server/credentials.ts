// The certificate files in force, and their exchange while the server runs: when a file changes, and on SIGHUP.
// Promises that what is refused changes nothing: the former files stay in force, and it is told (event, metric, /readyz).
// A file is read when it has stayed the same for a moment, so that one being written is not taken for a whole one.

import type { X509Certificate } from 'node:crypto'
import { serverRenewalMs, tlsFilesLookMs } from '../model/limits.ts'
import type { ReportSecurity } from '../model/security.ts'
import type { ServerConfig } from './config.ts'
import { FileWatch } from './fileWatch.ts'
import { readTlsFiles, type TlsFiles } from './tls.ts'

export interface CredentialsOptions {
  readonly paths: ServerConfig['tls']
  readonly crlStrict: boolean
  readonly report: ReportSecurity
  /** Something that an operator should do soon; told once. */
  readonly warned: (warning: string) => void
  readonly now?: () => number
}

type Replaced = (next: TlsFiles, former: TlsFiles) => void

export class Credentials {
  readonly #options: CredentialsOptions
  readonly #now: () => number
  readonly #files: FileWatch
  #current: TlsFiles
  #replaced: Replaced = () => {}
  #fault: string | undefined
  #told: readonly string[] = []

  /** Throws ConfigError. */
  constructor(options: CredentialsOptions) {
    this.#options = options
    this.#now = options.now ?? Date.now
    this.#files = new FileWatch(filesOf(options.paths).map(([, path]) => path))
    this.#current = this.#read()
  }

  get current(): TlsFiles {
    return this.#current
  }

  /** Why what lies on the disk is not in force; undefined when it is. */
  get fault(): string | undefined {
    return this.#fault
  }

  /** A CA has no list that is still in force. */
  get crlExpired(): boolean {
    return this.#current.trust.revocation.nextUpdateMs < this.#now()
  }

  /** Throws DeniedError for whom the server does not trust. */
  judge(certificate: X509Certificate, anew: boolean): void {
    this.#current.trust.judge(certificate, this.#now(), anew)
  }

  /** What needs an operator, though the server works; one sentence each. */
  get warnings(): readonly string[] {
    const { validToMs, trust } = this.#current
    const warnings: string[] = []
    if (this.#fault !== undefined)
      warnings.push(`certificate files are refused, the former are in force: ${this.#fault}`)
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
  watch(replaced: Replaced): () => void {
    this.#replaced = replaced
    let isLooking = false
    const timer = setInterval(async () => {
      if (isLooking) return
      isLooking = true
      await this.#look()
      isLooking = false
    }, tlsFilesLookMs)
    return () => clearInterval(timer)
  }

  /** Reads the files now. */
  reload(): void {
    this.#files.forget()
    this.#exchange()
  }

  async #look(): Promise<void> {
    if (await this.#files.hasChanged()) this.#exchange()
    this.#warn()
  }

  #exchange(): void {
    try {
      const former = this.#current
      const next = this.#read(former)
      const changed = changedFiles(this.#options.paths, next, former)
      if (changed.length > 0) {
        this.#current = next
        this.#replaced(next, former)
      }
      const reason = changed.length > 0 ? '' : 'the files are again those in force'
      if (changed.length > 0 || this.#fault !== undefined)
        this.#options.report({ event: 'reloaded', files: changed, reason })
      this.#fault = undefined
    } catch (error) {
      const reason = (error as Error).message.replaceAll('\n', '; ')
      if (reason !== this.#fault) {
        this.#options.report({
          event: 'reload_failed',
          files: filesOf(this.#options.paths).map(([, path]) => path),
          reason
        })
      }
      this.#fault = reason
    }
  }

  #read(former?: TlsFiles): TlsFiles {
    const { paths, crlStrict } = this.#options
    return readTlsFiles(paths, { nowMs: this.#now(), crlStrict, ...(former && { former }) })
  }

  #warn(): void {
    const { warnings } = this
    for (const warning of warnings) if (!this.#told.includes(warning)) this.#options.warned(warning)
    this.#told = warnings
  }
}

const filesOf = ({ ca, cert, key, crl }: ServerConfig['tls']) =>
  [
    ['ca', ca],
    ['cert', cert],
    ['key', key],
    ['crl', crl]
  ] as const

const changedFiles = (paths: ServerConfig['tls'], next: TlsFiles, former: TlsFiles): string[] =>
  filesOf(paths).flatMap(([name, path]) => (next[name].equals(former[name]) ? [] : [path]))

const dateOf = (ms: number): string => new Date(ms).toISOString().slice(0, 10)
