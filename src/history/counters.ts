// Computes what two consecutive rows of a charger mean: the values in force, and how much energy the counters gained
// between the rows. Pure.

import { powerOutputWattsMax } from '../model/wire/limits.ts'

/** Null: the value did not change, or is not known. The time is in µs since the Unix epoch. */
export interface SessionRow {
  readonly timeUs: number
  readonly state: string | null
  readonly totalWh: number | null
  readonly sessionWh: number | null
  readonly powerW: number | null
  readonly vehicle: string | null
  readonly status: string | null
}

/** The values in force. Null: the charger never reported the value. */
export interface InForce {
  state: string | null
  totalWh: number | null
  sessionWh: number | null
  powerW: number | null
  vehicle: string | null
  status: string | null
}

/**
 * The lifetime counter has leapt if it gains this much more than the session counter, and more than can have been
 * delivered.
 */
const leapWh = 500
/** Counters may lag by this much. */
const lagUs = 120_000_000
/** No charger of any kind delivers more power. A source that reports more is broken. */
const wattsMax = 1_000_000

export const inForce = (was: InForce, row: SessionRow): InForce => ({
  state: row.state ?? was.state,
  totalWh: row.totalWh ?? was.totalWh,
  sessionWh: row.sessionWh ?? was.sessionWh,
  powerW: row.powerW ?? was.powerW,
  vehicle: row.vehicle ?? was.vehicle,
  status: row.status ?? was.status
})

export interface Counted {
  readonly energyWh: number
  /** The part of the lifetime counter's gain that is beyond what can have been delivered. */
  readonly leapWh: number
  /** True where no continuous counter counted the energy. */
  readonly isGuess: boolean
  /** True for the first row that reports a counter. */
  readonly isFirst: boolean
}

export function countedWh(before: InForce, now: InForce, isReset: boolean, elapsedUs: number): Counted {
  const longestUs = elapsedUs + lagUs
  const mostWh = (wattsMax * longestUs) / 3_600_000_000
  const totalWh = rise(before.totalWh, now.totalWh)
  const shownWh = isReset ? now.sessionWh : rise(before.sessionWh, now.sessionWh)
  const isAbsurd = shownWh !== null && (shownWh < 0 || shownWh > mostWh)
  const sessionWh = isAbsurd ? 0 : shownWh
  const isFirst = before.totalWh === null && before.sessionWh === null && (now.totalWh ?? now.sessionWh) !== null
  const counted = { leapWh: 0, isGuess: isAbsurd, isFirst }
  if (totalWh === null) {
    if (sessionWh !== null) return { ...counted, energyWh: sessionWh }
    const hasCounter = now.totalWh !== null || now.sessionWh !== null
    const energyWh = hasCounter ? 0 : (bounded(before.powerW) * elapsedUs) / 3_600_000_000
    return { ...counted, energyWh, isGuess: energyWh > 0 }
  }
  if (totalWh < 0) return { ...counted, energyWh: sessionWh ?? 0, isGuess: true }
  const expectedWh = sessionWh ?? 0
  const powerW = Math.max(powerOutputWattsMax, 1.5 * bounded(before.powerW), 1.5 * bounded(now.powerW))
  const hasLeapt = totalWh > Math.max(expectedWh + leapWh, (powerW * longestUs) / 3_600_000_000)
  if (hasLeapt) return { ...counted, energyWh: expectedWh, leapWh: totalWh - expectedWh }
  return { ...counted, energyWh: totalWh }
}

const bounded = (powerW: number | null): number => Math.min(wattsMax, Math.max(0, powerW ?? 0))

const rise = (before: number | null, now: number | null): number | null =>
  before === null || now === null ? null : now - before

/**
 * True when the session counter was reset unseen: the card is another one, and the energy gained equals all that the
 * session counter shows.
 */
export function isHiddenReset(vehicle: string, before: InForce, now: InForce, energyWh: number): boolean {
  if (before.sessionWh === null || now.sessionWh === null || !now.vehicle || !vehicle || vehicle === now.vehicle)
    return false
  return energyWh > now.sessionWh - before.sessionWh + 2 && Math.abs(energyWh - now.sessionWh) <= 2
}

export const deliverableWh = (us: number): number => (powerOutputWattsMax * us) / 3_600_000_000

export const chargingTimeUs = (energyWh: number, { powerW }: InForce, mostUs: number): number =>
  powerW ? Math.min(mostUs, Math.round((energyWh / powerW) * 3_600_000_000)) : mostUs
