// Certificate and key of the HTTP port, and their exchange while the server runs: public certificates live for weeks. What is
// refused changes nothing: the former ones stay in force, and it is told.

import { tlsFilesLookMs } from '../model/limits.ts'
import type { ReportSecurity } from '../model/security.ts'
import { FileWatch } from './fileWatch.ts'
import { type KeyPair, Reading } from './keyPair.ts'

interface Paths {
  readonly cert: string
  readonly key: string
}

export class HttpTls {
  readonly #paths: Paths
  readonly #report: ReportSecurity
  readonly #watch: FileWatch
  #current: KeyPair
  #replaced: (next: KeyPair) => void = () => {}
  #fault: string | undefined

  /** Throws ConfigError. */
  constructor(paths: Paths, report: ReportSecurity) {
    this.#paths = paths
    this.#report = report
    this.#watch = new FileWatch([paths.cert, paths.key])
    this.#current = readHttpTls(paths, Date.now())
  }

  get current(): KeyPair {
    return this.#current
  }

  /** Looks at the files until the returned function is called. `replaced` is told of what has come into force. */
  watch(replaced: (next: KeyPair) => void): () => void {
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
function readHttpTls(paths: Paths, nowMs: number): KeyPair {
  const reading = new Reading()
  const at = (name: keyof Paths) => ({ flag: `--http-tls-${name}`, path: paths[name] })
  const pair = reading.keyPair(at('cert'), at('key'), nowMs)
  reading.end('--http-tls-cert', { ...pair })
  return pair!
}
