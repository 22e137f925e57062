// Whether files have changed since they were read last, and are whole: they have stayed the same between two looks. That holds
// for editors, rename, plain overwriting and swapped links alike, as files are looked at and no notifications are needed.

import { stat } from 'node:fs/promises'

export class FileWatch {
  readonly #paths: readonly string[]
  #readState = ''
  #lastState = ''

  constructor(paths: readonly string[]) {
    this.#paths = paths
  }

  /** To be asked again and again. True once for each change: then read them. */
  async hasChanged(): Promise<boolean> {
    const state = (await Promise.all(this.#paths.map(stateOf))).join()
    const isStable = state === this.#lastState
    this.#lastState = state
    if (!isStable || state === this.#readState) return false
    this.#readState = state
    return true
  }

  /** They were read without being asked: they may be being written, so what stays counts as changed. */
  forget(): void {
    this.#readState = ''
  }
}

/** Changes when the file does, also when another one takes its place. */
async function stateOf(path: string): Promise<string> {
  try {
    const { ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true })
    return `${ino}/${size}/${mtimeNs}/${ctimeNs}`
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'unknown'
  }
}
