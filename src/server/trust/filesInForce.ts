// Files in force, which are exchanged while the server runs: when one changes, and when told to. Files that are refused
// change nothing: the former ones stay in force, and the fault is reported once. A file is read after it has stayed the
// same for a moment, so that a half-written file is not taken for a complete one.

import type { ReportSecurity } from '../../model/server/security.ts'
import { FileWatch } from './fileWatch.ts'
import { tlsFilesLookMs } from './limits.ts'

export interface FilesOptions<Name extends string, Files extends Record<Name, Buffer>> {
  readonly paths: Readonly<Record<Name, string>>
  /** Throws ConfigError for files that must not come into force. `former`: the files in force. */
  readonly read: (former?: Files) => Files
  readonly report: ReportSecurity
}

type Replaced<Files> = (next: Files, former: Files) => void

export class FilesInForce<Name extends string, Files extends Record<Name, Buffer>> {
  readonly #options: FilesOptions<Name, Files>
  readonly #places: readonly (readonly [Name, string])[]
  readonly #watch: FileWatch
  #current: Files
  #replaced: Replaced<Files> = () => {}
  #fault: string | undefined

  /** Throws ConfigError. */
  constructor(options: FilesOptions<Name, Files>) {
    this.#options = options
    this.#places = Object.entries(options.paths) as [Name, string][]
    this.#watch = new FileWatch(this.#places.map(([, path]) => path))
    this.#current = options.read()
  }

  get current(): Files {
    return this.#current
  }

  /** Why the files on the disk are not in force. Undefined when they are. */
  get fault(): string | undefined {
    return this.#fault
  }

  /**
   * Watches the files until the returned function is called. `replaced` is called with the files that came into force.
   */
  watch(replaced: Replaced<Files>, looked: () => void = () => {}): () => void {
    this.#replaced = replaced
    let isLooking = false
    const timer = setInterval(async () => {
      if (isLooking) return
      isLooking = true
      if (await this.#watch.hasChanged()) this.#exchange()
      looked()
      isLooking = false
    }, tlsFilesLookMs)
    return () => clearInterval(timer)
  }

  /** Reads the files now. */
  reload(): void {
    this.#watch.forget()
    this.#exchange()
  }

  #exchange(): void {
    const { read, report } = this.#options
    try {
      const former = this.#current
      const next = read(former)
      const files = this.#places.flatMap(([name, path]) => (next[name].equals(former[name]) ? [] : [path]))
      if (files.length > 0) {
        this.#current = next
        this.#replaced(next, former)
      }
      const reason = files.length > 0 ? '' : 'the files are again those in force'
      if (files.length > 0 || this.#fault !== undefined) report({ event: 'reloaded', files, reason })
      this.#fault = undefined
    } catch (error) {
      const reason = (error as Error).message.replaceAll('\n', '; ')
      if (reason !== this.#fault) {
        report({ event: 'reload_failed', files: this.#places.map(([, path]) => path), reason })
      }
      this.#fault = reason
    }
  }
}
