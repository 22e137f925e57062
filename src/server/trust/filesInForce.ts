// Files that are in force, and their exchange while the server runs: when one changes, and when told to.
// Promises that what is refused changes nothing: the former files stay in force, and it is told, once.
// A file is read when it has stayed the same for a moment, so that one being written is not taken for a whole one.

import type { ReportSecurity } from '../../model/server/security.ts'
import { FileWatch } from './fileWatch.ts'
import { tlsFilesLookMs } from './limits.ts'

export interface FilesOptions<Name extends string, Files extends Record<Name, Buffer>> {
  readonly paths: Readonly<Record<Name, string>>
  /** Throws ConfigError for what must not come into force. `former`: what is. */
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

  /** Why what lies on the disk is not in force; undefined when it is. */
  get fault(): string | undefined {
    return this.#fault
  }

  /** Looks at the files until the returned function is called. `replaced` is told of what has come into force. */
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
