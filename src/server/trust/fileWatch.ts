// Tells whether files have changed since they were last read, and are complete: they stayed the same between two looks.
// Looking, without notifications of the system, works for editors, rename, overwriting and swapped links alike.

import { stat } from 'node:fs/promises'

export class FileWatch {
  readonly #paths: readonly string[]
  #readState = ''
  #lastState = ''

  constructor(paths: readonly string[]) {
    this.#paths = paths
  }

  /** Call it again and again. True once for each change: then read the files. */
  async hasChanged(): Promise<boolean> {
    const state = (await Promise.all(this.#paths.map(stateOf))).join()
    const isStable = state === this.#lastState
    this.#lastState = state
    if (!isStable || state === this.#readState) return false
    this.#readState = state
    return true
  }

  /** The files were read without a change. They may be half written, so their next stable state counts as a change. */
  forget(): void {
    this.#readState = ''
  }
}

/** Changes when the file changes, also when another file takes its place. */
async function stateOf(path: string): Promise<string> {
  try {
    const { ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true })
    return `${ino}/${size}/${mtimeNs}/${ctimeNs}`
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'unknown'
  }
}
