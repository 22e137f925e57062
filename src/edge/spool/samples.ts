// What the spool is given, and gives back.

import type { ChargerValues } from '../../model/wire/chargerState.ts'
import type { KnownValues } from '../diff.ts'
import type { EnergyState } from '../energy/energy.ts'
import type { Gap } from '../energy/gap.ts'
import type { Seed } from '../energy/seed.ts'

/** What one charger was like after its last spooled sample. */
export interface ChargerMemory {
  /** The last sampling time, ms since the Unix epoch. */
  readonly timeMs: number
  readonly known: KnownValues
  readonly energy?: EnergyState
  /** When that energy was counted last, ms since the Unix epoch; absent where the time was not known. */
  readonly countedAtMs?: number | undefined
  /** The energy began without knowing what was counted before: the server is asked. */
  readonly seed?: Seed
  /** A time without readings, of which the charger's records are to be asked. */
  readonly gap?: Gap
  /** The charger's serial number; another one at its address is not this charger. */
  readonly serial?: string
}

/** The changed values of one poll. */
export interface NewSample {
  readonly charger: string
  readonly timeMs: number
  readonly values: Readonly<Partial<ChargerValues>>
}

/**
 * A sample whose time is not known yet, because the clock was not set: it knows its boot and the monotonic clock
 * instead. It is on disk like any other, is not sent, and is given its time with `stampUndated`.
 */
export interface UndatedSample {
  readonly charger: string
  readonly undated: {
    /** Names one run of the monotonic clock: what another boot, or process, measured cannot be compared with it. */
    readonly bootId: string
    /** When the answer arrived, by the monotonic clock; kept to the whole ms. */
    readonly monotonicMs: number
  }
  readonly values: Readonly<Partial<ChargerValues>>
}

export interface SpooledSample extends NewSample {
  readonly seq: number
  /** It was sent before, and no acknowledgement came. */
  readonly sentBefore: boolean
}
