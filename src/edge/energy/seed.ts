// Where the lifetime energy begins on a disk that knows nothing of a charger (a new Pi, a dead SD card): it goes on
// from what is known elsewhere, the server's retained total or the second file. Pure.

import type { SessionReading } from '../chargers/charger.ts'

import { accumulate, type EnergyState } from './energy.ts'

/** What the server had of a charger. Nothing of a charger that never published. */
export interface Retained {
  readonly totalWh?: number
  /** When that total was sampled, ms since the Unix epoch. */
  readonly totalTimeMs?: number
  readonly sessionWh?: number
  readonly card?: string
}

/** What the charger counts: sessions, or its whole life. */
export type CounterKind = 'session' | 'meter'

/** A lifetime energy that began by itself: what was read first, and what that was taken for. */
export interface Seed {
  readonly kind: CounterKind
  readonly first: SessionReading
  readonly firstWh: number
  /** Samples up to this number tell other totals: those that were saved from a damaged spool. */
  readonly afterSeq: number
}

/**
 * The lifetime energy when `first` was read, going on from a total that was known before: as low as it can have been.
 * The session of which the total knew goes on where the counter says so; else `first` is a session of its own.
 */
export function seededWh(retained: Retained, first: SessionReading, kind: CounterKind): number {
  const { totalWh, sessionWh, card } = retained
  if (totalWh === undefined) return first.energyWh
  if (kind === 'meter') return Math.max(totalWh, first.energyWh)
  // Nobody knows how much of the session shown is in the total already.
  if (sessionWh === undefined) return totalWh
  const last = { energyWh: sessionWh, ...(card ? { card } : {}) }
  return accumulate({ totalWh, last, doubts: 0 }, first).state.totalWh
}

/** The same from the second file, where it has the charger. */
export const continuedWh = (saved: EnergyState, first: SessionReading, kind: CounterKind): number =>
  seededWh({ totalWh: saved.totalWh, sessionWh: saved.last.energyWh, ...optionalCard(saved.last) }, first, kind)

const optionalCard = ({ card }: SessionReading) => (card === undefined ? {} : { card })
