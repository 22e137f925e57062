// Where the lifetime energy begins when the disk does not know the charger (a new Pi, a dead SD card): it continues
// the total that the server retains, or that of the second file. Pure.

import type { SessionReading } from '../chargers/charger.ts'
import { accumulate, type EnergyState } from './energy.ts'

/** What the server has of a charger; empty for a charger that never published. */
export interface Retained {
  readonly totalWh?: number
  /** The sampling time of that total, ms since the Unix epoch. */
  readonly totalTimeMs?: number
  readonly sessionWh?: number
  readonly card?: string
}

/** What the charger counts: sessions, or its lifetime. */
export type CounterKind = 'session' | 'meter'

/** A lifetime energy that began without an earlier total: the first reading, and the total it was given. */
export interface Seed {
  readonly kind: CounterKind
  readonly first: SessionReading
  readonly firstWh: number
  /** Samples up to this number have other totals: they were saved from a damaged spool. */
  readonly afterSeq: number
}

/**
 * The lifetime energy at `first` as a continuation of an earlier total: the lowest that it can be. The session of that
 * total continues if the counter agrees; otherwise `first` is a new session.
 */
export function seededWh(retained: Retained, first: SessionReading, kind: CounterKind): number {
  const { totalWh, sessionWh, card } = retained
  if (totalWh === undefined) return first.energyWh
  if (kind === 'meter') return Math.max(totalWh, first.energyWh)
  // It is unknown how much of the shown session the total already contains.
  if (sessionWh === undefined) return totalWh
  const last = { energyWh: sessionWh, ...(card ? { card } : {}) }
  return accumulate({ totalWh, last, doubts: 0 }, first).state.totalWh
}

/** The same from the second file, if it knows the charger. */
export const continuedWh = (saved: EnergyState, first: SessionReading, kind: CounterKind): number =>
  seededWh({ totalWh: saved.totalWh, sessionWh: saved.last.energyWh, ...optionalCard(saved.last) }, first, kind)

const optionalCard = ({ card }: SessionReading) => (card === undefined ? {} : { card })
