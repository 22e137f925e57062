// The second copy of each charger's lifetime energy, in a small file beside the spool: it survives a damaged spool. It
// is written to a temporary file, synced and renamed, so it is always whole. It may be a little old: the counter of
// the charger fills in the rest. Nothing depends on it: a failure is logged once and not thrown.

import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs'
import type { Logger } from 'pino'
import type { EnergyState, EnergyStep } from './energy.ts'
import { energyFileIntervalMs } from './limits.ts'

export interface SavedCharger {
  readonly energy: EnergyState
  readonly serial?: string
}

export class EnergyFile {
  readonly #path: string
  readonly #log: Logger
  readonly #monotonicMs: () => number
  readonly #chargers: Map<string, SavedCharger>
  #writtenMs = Number.NEGATIVE_INFINITY
  #isDirty = false
  #hasFailed = false

  /** `spoolPath`: the file lies beside the spool. */
  constructor(spoolPath: string, log: Logger, monotonicMs: () => number = () => performance.now()) {
    this.#path = `${spoolPath}.energy.json`
    this.#log = log
    this.#monotonicMs = monotonicMs
    this.#chargers = new Map(Object.entries(this.#read()))
  }

  of(charger: string): SavedCharger | undefined {
    return this.#chargers.get(charger)
  }

  /**
   * Remembers it, and writes the file when needed: at each step that the counter alone would not show, and after a
   * while.
   */
  note(charger: string, saved: SavedCharger, step: EnergyStep): void {
    const before = this.#chargers.get(charger)
    if (before?.energy.totalWh === saved.energy.totalWh && before.serial === saved.serial) return
    this.#chargers.set(charger, saved)
    this.#isDirty = true
    const goesOn = before !== undefined && (step === 'same_session' || step === 'same_meter')
    if (!goesOn || this.#monotonicMs() - this.#writtenMs >= energyFileIntervalMs) this.flush()
  }

  flush(): void {
    if (!this.#isDirty) return
    this.#writtenMs = this.#monotonicMs()
    try {
      this.#write()
      this.#isDirty = false
      this.#hasFailed = false
    } catch (error) {
      this.#fail(error, 'the second copy of the lifetime energy cannot be written')
    }
  }

  #write(): void {
    const temporary = `${this.#path}.new`
    const file = openSync(temporary, 'w', 0o600)
    try {
      writeSync(file, `${JSON.stringify(Object.fromEntries(this.#chargers))}\n`)
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
    renameSync(temporary, this.#path)
  }

  #read(): Record<string, SavedCharger> {
    try {
      return checked(JSON.parse(readFileSync(this.#path, 'utf8')))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') {
        this.#fail(error, 'the second copy of the lifetime energy cannot be read: it is begun anew')
      }
      return {}
    }
  }

  #fail(error: unknown, message: string): void {
    if (!this.#hasFailed) this.#log.error({ event: 'energy_file_failed', file: this.#path, err: error }, message)
    this.#hasFailed = true
  }
}

/** Leaves out chargers without a possible total: a person may have edited the file. */
function checked(parsed: unknown): Record<string, SavedCharger> {
  if (typeof parsed !== 'object' || parsed === null) throw new Error('expected a JSON object')
  const isCount = (value: unknown) => typeof value === 'number' && Number.isFinite(value) && value >= 0
  return Object.fromEntries(
    Object.entries(parsed).filter(
      ([, saved]) => isCount(saved?.energy?.totalWh) && isCount(saved.energy.last?.energyWh)
    )
  )
}
