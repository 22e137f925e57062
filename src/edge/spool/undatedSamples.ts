// Samples from before the time was known. They are on disk with a mark of the monotonic clock, and are stamped here
// when the time becomes known. Samples of an earlier start of the machine get an estimate: that start ended when the
// next one began. Times rise.

import type { Logger } from 'pino'
import type { KnownValues } from '../diff.ts'
import { type EdgeTime, nextSamplingTime } from '../time/clock.ts'
import type { ChargerMemory, Spool } from './spool.ts'

export interface UndatedSamplesOptions {
  readonly spool: Pick<Spool, 'undatedBoots' | 'stampUndated' | 'memoryOf'>
  readonly time: Pick<EdgeTime, 'at'>
  /** Names this start of the machine. */
  readonly bootId: string
  /** The current memory of a charger; undefined for one that is no longer configured. */
  readonly memoryOf: (charger: string) => ChargerMemory | undefined
  /** Called when samples of the charger were stamped. */
  readonly onStamped: (charger: string, memory: ChargerMemory) => void
  readonly log: Logger
}

export class UndatedSamples {
  readonly #options: UndatedSamplesOptions
  #isEmpty: boolean

  constructor(options: UndatedSamplesOptions) {
    this.#options = options
    this.#isEmpty = options.spool.undatedBoots().length === 0
  }

  /** An undated sample was appended. */
  noteAppended(): void {
    this.#isEmpty = false
  }

  /** Stamps the undated samples if the time is known. Throws what the spool throws: then all are still undated. */
  settle(): void {
    const { time, spool } = this.#options
    // The machine, and the monotonic clock with it, started then.
    const startedMs = this.#isEmpty ? undefined : time.at(0)
    if (startedMs === undefined) return
    for (const { bootId, baseMs } of this.#bases(spool.undatedBoots(), startedMs)) this.#stamp(bootId, baseMs)
    this.#isEmpty = true
  }

  /**
   * UTC at moment 0 of each boot's monotonic clock: computed from the newest boot back, returned from the oldest on.
   */
  #bases(boots: ReturnType<Spool['undatedBoots']>, startedMs: number) {
    let nextStartedMs = startedMs
    const bases = boots.toReversed().map(({ bootId, newestMonotonicMs }) => {
      if (bootId === this.#options.bootId) return { bootId, baseMs: startedMs }
      nextStartedMs -= newestMonotonicMs
      return { bootId, baseMs: nextStartedMs }
    })
    return bases.reverse()
  }

  #stamp(bootId: string, baseMs: number): void {
    const { spool, memoryOf, onStamped, log } = this.#options
    const stampers = new Map<string, Stamper>()
    const stamperOf = (charger: string): Stamper => {
      const memory = memoryOf(charger) ?? spool.memoryOf(charger) ?? { timeMs: 0, known: {} }
      const stamper = stampers.get(charger) ?? new Stamper(memory, bootId, baseMs)
      stampers.set(charger, stamper)
      return stamper
    }
    const memories = () => new Map([...stampers].map(([charger, stamper]) => [charger, stamper.memory()]))
    const samples = spool.stampUndated(
      bootId,
      (monotonicMs, charger) => stamperOf(charger).stamp(monotonicMs),
      memories
    )
    for (const [charger, memory] of memories()) onStamped(charger, memory)
    const isEstimate = bootId !== this.#options.bootId
    log.info({ event: 'samples_stamped', samples, estimated: isEstimate }, 'the time is known: samples were stamped')
  }
}

/** The times of one charger's samples of one boot, in their order. */
class Stamper {
  readonly #memory: ChargerMemory
  readonly #bootId: string
  readonly #baseMs: number
  /** By mark, for the marks that the memory knows. */
  readonly #times = new Map<number, number | undefined>()
  #lastMs: number

  constructor(memory: ChargerMemory, bootId: string, baseMs: number) {
    this.#memory = memory
    this.#bootId = bootId
    this.#baseMs = baseMs
    this.#lastMs = memory.timeMs
    for (const { held, timeMs } of Object.values(memory.known)) if (held === bootId) this.#times.set(timeMs, undefined)
  }

  stamp(monotonicMs: number): number {
    this.#lastMs = nextSamplingTime(this.#baseMs + monotonicMs, this.#lastMs)
    if (this.#times.has(monotonicMs)) this.#times.set(monotonicMs, this.#lastMs)
    return this.#lastMs
  }

  /** The charger's memory with the times of its samples. */
  memory(): ChargerMemory {
    const known = Object.entries(this.#memory.known).map(([name, { value, timeMs, held }]) => {
      const stampedMs = held === this.#bootId ? (this.#times.get(timeMs) ?? this.#lastMs) : timeMs
      return [name, { value, timeMs: stampedMs, ...(held && held !== this.#bootId ? { held } : {}) }]
    })
    return { ...this.#memory, timeMs: this.#lastMs, known: Object.fromEntries(known) as KnownValues }
  }
}
