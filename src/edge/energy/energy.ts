// The lifetime energy of a charger. If the charger only counts sessions, it is the sum of what the session counter
// gains, across sessions, restarts and gaps, from the first seen session on. If the charger has a meter, it is the
// meter, with an offset after a meter that fell or was replaced. It never falls, and never grows by more than the
// charger can have delivered since the last sample. Pure: the caller stores the state with the sample.

import { powerOutputWattsMax } from '../../model/wire/limits.ts'
import type { SessionReading } from '../chargers/charger.ts'
import { energyDoubtsMax } from './limits.ts'

/** The state that is stored with the samples. Energies in Wh. */
export interface EnergyState {
  readonly totalWh: number
  /** The last counted reading. Its card is the card of that energy, and not a card shown later. */
  readonly last: SessionReading
  /** Implausible readings in a row. */
  readonly doubts: number
  /** How often the meter got a new baseline. */
  readonly epochs?: number
}

/**
 * What a reading was. `implausible`: it adds nothing. `rebased`: the third implausible reading in a row became the new
 * baseline. `new_epoch`: the same for a meter that stays below its last reading. `caught_up`: a meter that stays above
 * it.
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
/** ms; a lagging meter may catch up with the energy of this time. */
const catchUpMs = 86_400_000

/**
 * For a charger that counts sessions. `elapsedMs`: since the last counted reading, by the monotonic clock; undefined
 * after a restart. Then a jump of any size counts: it happened while the edge did not look.
 */
export function accumulate(before: EnergyState | undefined, reading: SessionReading, elapsedMs?: number): Accumulated {
  if (before === undefined) return counted(0, reading.energyWh, reading, 'first')
  const isNew = isNewSession(before.last, reading, elapsedMs)
  const addedWh = isNew ? reading.energyWh : reading.energyWh - before.last.energyWh
  if (addedWh <= deliverableWh(elapsedMs)) {
    return counted(before.totalWh, addedWh, reading, isNew ? 'new_session' : 'same_session', before.last)
  }
  // The box may show a new card before it clears the counter of the old session.
  const gainWh = reading.energyWh - before.last.energyWh
  if (isNew && gainWh >= 0 && gainWh <= deliverableWh(elapsedMs)) {
    return counted(before.totalWh, gainWh, reading, 'same_session', before.last)
  }
  return doubted(before, reading)
}

/**
 * For a charger with a lifetime meter. A falling or leaping meter is ignored twice; the third such reading becomes the
 * new baseline.
 */
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
 * The charger was replaced on purpose: its counter is the new baseline. Its earlier energy may not belong to this
 * charger.
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

/** The counter stays after a session has ended, and starts from zero with the next session. */
function isNewSession(last: SessionReading, next: SessionReading, elapsedMs: number | undefined): boolean {
  if (next.energyWh < last.energyWh) return true
  // The counter stands still: the new session has no energy yet.
  if (next.energyWh === last.energyWh) return false
  return durationFell(last, next) || durationLeapt(last, next, elapsedMs) || cardChanged(last, next)
}

const durationFell = (last: SessionReading, next: SessionReading): boolean =>
  next.durationSeconds !== undefined &&
  last.durationSeconds !== undefined &&
  next.durationSeconds < last.durationSeconds

/** A duration that grew by more than the time since the last reading belongs to a session that began before it. */
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

/** Adds nothing. A glitch passes; a counter that keeps an implausible value gets a new baseline. */
function doubted(before: EnergyState, reading: SessionReading): Accumulated {
  const doubts = before.doubts + 1
  if (doubts < energyDoubtsMax) return { state: { ...before, doubts }, step: 'implausible', addedWh: 0 }
  return { state: { totalWh: before.totalWh, last: reading, doubts: 0 }, step: 'rebased', addedWh: 0 }
}
