// The lifetime energy of a charger. Where it only counts sessions: what the session counter gains, across sessions,
// restarts and gaps, beginning with the session that is seen first. Where it has a meter: the meter, and across a meter
// that fell or was replaced an offset. It never falls, and adds nothing that the charger cannot have delivered since
// the sample before. Pure: the caller stores the state together with the sample.

import { powerOutputWattsMax } from '../../model/wire/limits.ts'
import type { SessionReading } from '../chargers/charger.ts'
import { energyDoubtsMax } from './limits.ts'

/** What is stored with the samples. Energies in Wh. */
export interface EnergyState {
  readonly totalWh: number
  /** The counter, or meter, as it was counted last; its card is the one of that energy, not of a card shown since. */
  readonly last: SessionReading
  /** Readings in a row that could not be. */
  readonly doubts: number
  /** How often the meter began anew. */
  readonly epochs?: number
}

/**
 * What a reading was. `implausible`: it adds nothing. `rebased`: it was that for the third time, and is followed from
 * there. `new_epoch`: the same of a meter that stays below where it was. `caught_up`: of a meter that stays above.
 */
export type EnergyStep =
  | 'first'
  | 'same_session'
  | 'new_session'
  | 'implausible'
  | 'rebased'
  | 'same_meter'
  | 'new_epoch'
  | 'caught_up'

export interface Accumulated {
  readonly state: EnergyState
  readonly step: EnergyStep
  readonly addedWh: number
}

/** s; the counter of a box may lag behind its energy by this much. */
const lagSeconds = 60
/** s; the same for its duration. */
const durationLagSeconds = 120
/** ms; a meter that lags may catch up with what was delivered in this time. */
const catchUpMs = 86_400_000

/**
 * A charger that counts sessions. `elapsedMs` is the time since the reading that was counted last, by a clock that
 * never steps; undefined after a restart, and then a jump of any size counts: it happened while nobody looked.
 */
export function accumulate(before: EnergyState | undefined, reading: SessionReading, elapsedMs?: number): Accumulated {
  if (before === undefined) return counted(0, reading.energyWh, reading, 'first')
  const isNew = isNewSession(before.last, reading, elapsedMs)
  const addedWh = isNew ? reading.energyWh : reading.energyWh - before.last.energyWh
  if (addedWh <= deliverableWh(elapsedMs)) {
    return counted(before.totalWh, addedWh, reading, isNew ? 'new_session' : 'same_session', before.last)
  }
  // A card may be shown before the counter of the old session is cleared: not a new session's energy, a delay.
  const gainWh = reading.energyWh - before.last.energyWh
  if (isNew && gainWh >= 0 && gainWh <= deliverableWh(elapsedMs)) {
    return counted(before.totalWh, gainWh, reading, 'same_session', before.last)
  }
  return doubted(before, reading)
}

/** A charger with a lifetime meter. A total that falls, or leaps, is nothing once and twice: a fault of one answer. */
export function accumulateMeter(before: EnergyState | undefined, meterWh: number, elapsedMs?: number): Accumulated {
  const reading = { energyWh: meterWh }
  if (before === undefined) return counted(0, meterWh, reading, 'first')
  const addedWh = meterWh - before.last.energyWh
  const epochs = before.epochs === undefined ? {} : { epochs: before.epochs }
  if (addedWh >= 0 && addedWh <= deliverableWh(elapsedMs)) {
    return withState(counted(before.totalWh, addedWh, reading, 'same_meter'), epochs)
  }
  const doubt = doubted(before, reading)
  if (doubt.step === 'implausible') return doubt
  if (addedWh >= 0 && addedWh <= deliverableWh(catchUpMs)) {
    return withState(counted(before.totalWh, addedWh, reading, 'caught_up'), epochs)
  }
  return withState({ ...doubt, step: 'new_epoch' }, { epochs: (before.epochs ?? 0) + 1 })
}

/**
 * Another box stands there, on purpose: its counter is followed from where it is. What it counted before is not known
 * to be this charger's.
 */
export const rebase = (before: EnergyState, reading: SessionReading): EnergyState => ({
  ...before,
  last: reading,
  doubts: 0
})

const withState = (accumulated: Accumulated, more: Partial<EnergyState>): Accumulated => ({
  ...accumulated,
  state: { ...accumulated.state, ...more }
})

/** Facts: the counter is kept after a session ends and starts from zero with the next one. */
function isNewSession(last: SessionReading, next: SessionReading, elapsedMs: number | undefined): boolean {
  if (next.energyWh < last.energyWh) return true
  // The counter stands still: whatever else is shown, no energy belongs to it yet.
  if (next.energyWh === last.energyWh) return false
  return durationFell(last, next) || durationLeapt(last, next, elapsedMs) || cardChanged(last, next)
}

const durationFell = (last: SessionReading, next: SessionReading): boolean =>
  next.durationSeconds !== undefined &&
  last.durationSeconds !== undefined &&
  next.durationSeconds < last.durationSeconds

/** A session that waited longer than the time since the sample before began earlier than it was shown. */
const durationLeapt = (last: SessionReading, next: SessionReading, elapsedMs: number | undefined): boolean =>
  elapsedMs !== undefined &&
  next.durationSeconds !== undefined &&
  last.durationSeconds !== undefined &&
  next.durationSeconds - last.durationSeconds > elapsedMs / 1000 + durationLagSeconds

const cardChanged = (last: SessionReading, next: SessionReading): boolean =>
  Boolean(last.card) && Boolean(next.card) && last.card !== next.card

const deliverableWh = (elapsedMs: number | undefined): number =>
  elapsedMs === undefined ? Number.POSITIVE_INFINITY : (powerOutputWattsMax * (elapsedMs / 1000 + lagSeconds)) / 3600

function counted(
  totalWh: number,
  addedWh: number,
  reading: SessionReading,
  step: EnergyStep,
  before?: SessionReading
): Accumulated {
  const stands = step === 'same_session' && addedWh === 0
  const card = stands && before?.card ? { card: before.card } : {}
  return { state: { totalWh: totalWh + addedWh, last: { ...reading, ...card }, doubts: 0 }, step, addedWh }
}

/** Adds nothing. A glitch passes; a counter that stays where it cannot be is followed from there. */
function doubted(before: EnergyState, reading: SessionReading): Accumulated {
  const doubts = before.doubts + 1
  if (doubts < energyDoubtsMax) return { state: { ...before, doubts }, step: 'implausible', addedWh: 0 }
  return { state: { totalWh: before.totalWh, last: reading, doubts: 0 }, step: 'rebased', addedWh: 0 }
}
