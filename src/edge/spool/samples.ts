// The types that the spool takes and returns.

import type { ChargerValues } from '../../model/wire/chargerState.ts'
import type { KnownValues } from '../diff.ts'
import type { EnergyState } from '../energy/energy.ts'
import type { Gap } from '../energy/gap.ts'
import type { Seed } from '../energy/seed.ts'

/** The state of a charger after its last spooled sample. */
export interface ChargerMemory {
  /** The last sampling time, ms since the Unix epoch. */
  readonly timeMs: number
  readonly known: KnownValues
  readonly energy?: EnergyState
  /** When that energy was last counted, ms since the Unix epoch; absent if the time was unknown. */
  readonly countedAtMs?: number | undefined
  /** Set while the energy began without an earlier total: the server is asked for it. */
  readonly seed?: Seed
  /** A time without readings: the records of the charger are to be asked about it. */
  readonly gap?: Gap
  /** The serial number of the charger; an answer with another number is not from this charger. */
  readonly serial?: string
}

/** The changed values of one poll. */
export interface NewSample {
  readonly charger: string
  readonly timeMs: number
  readonly values: Readonly<Partial<ChargerValues>>
}

/**
 * A sample whose time is unknown, because the clock was not set: it has its boot and the monotonic clock instead. It
 * is on disk like any other sample, is not sent, and gets its time from `stampUndated`.
 */
export interface UndatedSample {
  readonly charger: string
  readonly undated: {
    /** Names one run of the monotonic clock: times of another boot or process cannot be compared with it. */
    readonly bootId: string
    /** When the answer arrived, by the monotonic clock; stored in whole ms. */
    readonly monotonicMs: number
  }
  readonly values: Readonly<Partial<ChargerValues>>
}

export interface SpooledSample extends NewSample {
  readonly seq: number
  /** It was sent before without an acknowledgement. */
  readonly sentBefore: boolean
}
