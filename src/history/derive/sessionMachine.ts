// From the rows of one charger, in time order, to its charging sessions. A session begins with the first charging row.
// It ends with the row that says that no vehicle is there, that shows another card while nothing charges, or whose
// session counter began anew. A pause (not charging, the same card, the counter goes on, the charger does not call
// itself idle) ends nothing. Its energy is what the lifetime counter gained; where that fell or leapt, what the session
// counter gained. Pure and deterministic: the same rows give the same sessions, also when the course is stored and goes
// on from there.

import {
  type Counted,
  chargingTimeUs,
  countedWh,
  deliverableWh,
  type InForce,
  inForce,
  isHiddenReset,
  type SessionRow
} from '../counters.ts'
import { addToCurve, type Session } from '../session.ts'

/** A session that is open, or ended so recently that its counter may still rise. */
interface Current extends Session {
  /** Null while it charges. */
  pausedUs: number | null
  /** Since when, and with which energy, it charges again; null: it never paused. */
  resumed: { timeUs: number; energyWh: number; chargedUntilUs: number; endedUs: number | null } | null
  /** Nothing told that the vehicle is gone: it goes on if the session counter does. */
  mayGoOn: boolean
}

interface Gap {
  fromUs: number
  toUs: number
}

/** All that later rows depend on. */
interface State {
  /** The newest row; null before the first. */
  timeUs: number | null
  /** The newest row at which the charger was known to answer. */
  seenUs: number | null
  now: InForce
  open: Current | null
  last: Current | null
  gap: Gap | null
  /** The newest session that nobody saw, while more of it may be told. */
  unseen: Current | null
  /** Counted after a reset while nothing charged: the next session's. */
  pendingWh: number
}

/** A counter may lag behind the end of its session by this much. */
const tailUs = 600_000_000
/** A session under way that is seen first may have so much already. */
const firstMaxWh = 1_000_000
/** Energy that was never seen charging makes a session of its own from here on. */
const unseenWh = 100
/** Energy counted across a longer silence: how it was spread is a guess. */
const silenceUs = 3_600_000_000
/** A charger that tells nothing for so long was not there: an end within is estimated. */
const absenceUs = 24 * 3_600_000_000
/** What was found after a gap by the charger's own records is told within this time. */
const gapTailUs = 1_800_000_000

/** The charger's words for "no vehicle": Amtron, ECU, OCPP. */
const freeWords = /^(idle|no_vehicle_connected|available)$/i

export class Course {
  readonly #state: State
  readonly #emit: (session: Session) => void

  /** `stored` is what `store()` gave; `emit` takes each session that ended, again when its counter still rose. */
  constructor(emit: (session: Session) => void, stored?: string) {
    this.#emit = emit
    this.#state = stored === undefined ? beginning() : (JSON.parse(stored) as State)
  }

  store(): string {
    return JSON.stringify(this.#state)
  }

  get newestUs(): number | null {
    return this.#state.timeUs
  }

  /** The sessions that later rows may change: the open one, and those of which a counter may still tell more. */
  get unsettled(): readonly Session[] {
    const { unseen, last, open } = this.#state
    return [unseen, last, open].filter(session => session !== null)
  }

  take(row: SessionRow): void {
    const state = this.#state
    const before = { ...state.now }
    const now = inForce(state.now, row)
    const step = this.#stepOf(before, now, row)
    state.now = now
    this.#noteGap(row, now)
    this.#dropTail(row)
    if (state.open === null) this.#outside(step)
    else this.#within(state.open, step)
    if (state.open !== null) state.open.lastRowUs = row.timeUs
    state.timeUs = row.timeUs
    if (now.state !== 'unknown') state.seenUs = row.timeUs
  }

  /** What the row adds, before it is said to which session. */
  #stepOf(before: InForce, now: InForce, row: SessionRow): Step {
    const { timeUs, open } = this.#state
    const fromUs = timeUs ?? row.timeUs
    const isReset = before.sessionWh !== null && now.sessionWh !== null && now.sessionWh < before.sessionWh
    const counted = countedWh(before, now, isReset, row.timeUs - fromUs)
    const isHidden = !isReset && open !== null && isHiddenReset(open.vehicle, before, now, counted.energyWh)
    return { before, now, fromUs, toUs: row.timeUs, isReset: isReset || isHidden, ...counted }
  }

  #noteGap(row: SessionRow, now: InForce): void {
    const state = this.#state
    if (now.state === 'unknown' || state.seenUs === null || state.timeUs === null) return
    const wasUnknown = state.timeUs > state.seenUs
    if (wasUnknown || row.timeUs - state.seenUs > silenceUs) state.gap = { fromUs: state.seenUs, toUs: row.timeUs }
    else if (state.gap !== null && row.timeUs - state.gap.toUs > gapTailUs) state.gap = null
    if (state.gap === null) state.unseen = null
  }

  #dropTail({ timeUs }: SessionRow): void {
    const { last } = this.#state
    if (last !== null && timeUs - last.endedUs! > tailUs && !last.mayGoOn) this.#state.last = null
  }

  /** No session is open. */
  #outside(step: Step): void {
    const state = this.#state
    const { now, toUs } = step
    this.#leapt(step)
    if (charges(now)) {
      if (this.#goesOn(step)) return
      this.#begin(step)
      return
    }
    if (now.state === 'unknown' && step.energyWh === 0) return
    if (step.isReset) {
      state.last = null
      const ownWh = Math.min(step.energyWh, now.sessionWh ?? step.energyWh)
      if (ownWh >= unseenWh) this.#unseen(ownWh, this.#absence(step), now, toUs)
      else state.pendingWh = ownWh
      return
    }
    if (step.energyWh <= 0) return
    if (state.last !== null && toUs - state.last.endedUs! <= tailUs) this.#extend(state.last, step)
    else if (step.energyWh >= unseenWh) this.#unseen(step.energyWh, this.#absence(step), now, toUs)
  }

  /** It ended for want of a sign that the vehicle stays; that the session counter goes on is one. */
  #goesOn({ now, before, isReset, fromUs, toUs, energyWh }: Step): boolean {
    const { last } = this.#state
    if (last === null || !last.mayGoOn || isReset || now.sessionWh === null || before.sessionWh === null) return false
    if (before.sessionWh === 0 || isOtherCard(last, now)) return false
    const open: Current = { ...last, endedUs: null, mayGoOn: false }
    this.#state.last = null
    this.#state.open = open
    resume(open, toUs, last.endedUs)
    gain(open, now, fromUs, toUs, energyWh)
    return true
  }

  #begin(step: Step): void {
    const state = this.#state
    const { now, isReset, energyWh, fromUs, toUs, isFirst, isGuess } = step
    const firstWh = isFirst ? Math.min(firstMaxWh, Math.max(0, now.sessionWh ?? 0)) : energyWh
    let ownWh = isReset ? Math.min(firstWh, now.sessionWh!) : firstWh
    const restWh = firstWh - ownWh
    if (restWh > 0 && state.last !== null && toUs - state.last.endedUs! <= tailUs)
      this.#extend(state.last, { ...step, energyWh: restWh })
    else if (restWh >= unseenWh) this.#unseen(restWh, this.#absence(step), { ...now, vehicle: '' }, toUs)
    ownWh += state.pendingWh
    const isLate = ownWh > deliverableWh(120_000_000)
    const startedUs = isLate ? Math.max(state.seenUs ?? toUs, toUs - chargingTimeUs(ownWh, now, toUs - fromUs)) : toUs
    const meterWh = now.totalWh === null ? null : now.totalWh - ownWh
    const session = fresh(startedUs, now, meterWh, isFirst || isGuess || isLate)
    gain(session, now, startedUs, toUs, ownWh)
    state.open = session
    state.last = null
    state.pendingWh = 0
  }

  #within(open: Current, step: Step): void {
    const { now, fromUs, toUs } = step
    this.#leapt(step)
    open.estimated ||= step.isGuess || (step.energyWh >= unseenWh && toUs - fromUs > silenceUs)
    if (step.isReset && !isOwnReset(open)) {
      this.#splitAt(open, step)
      return
    }
    if (charges(now) && open.pausedUs !== null && !isOtherCard(open, now)) resume(open, toUs, null)
    gain(open, now, fromUs, toUs, step.energyWh)
    if (now.state === 'unknown') return
    if (charges(now)) this.#charging(open, step)
    else this.#resting(open, step)
  }

  #charging(open: Current, step: Step): void {
    const { now, toUs } = step
    const isOther = isOtherCard(open, now)
    if (isOther && (open.pausedUs !== null || now.sessionWh === null)) {
      this.#end(open, step, toUs)
      this.#state.open = fresh(toUs, now, now.totalWh, false)
      this.#state.open.lastRowUs = toUs
      this.#state.last = null
      return
    }
    open.chargedUntilUs = toUs
    if (now.vehicle) open.vehicle = now.vehicle
    notePower(open, now)
  }

  #resting(open: Current, step: Step): void {
    const { now, toUs } = step
    if (open.pausedUs === null) {
      open.chargedUntilUs = toUs
      open.pausedUs = toUs
    }
    const isFree = now.status !== null && freeWords.test(now.status)
    const card = now.vehicle ?? ''
    const hasSign = now.status !== null || card !== ''
    if (!isFree && card === open.vehicle && hasSign) return
    this.#end(open, step, this.#endOf(open, step, step.energyWh))
    open.mayGoOn = !hasSign
    this.#state.last = open
  }

  /** The counter began anew: what it shows is of the next session, the rest of this one. */
  #splitAt(open: Current, step: Step): void {
    const { now, toUs } = step
    const state = this.#state
    const ownWh = Math.min(step.energyWh, now.sessionWh ?? 0)
    const restWh = step.energyWh - ownWh
    const meterWh = now.totalWh === null ? null : now.totalWh - ownWh
    const { resumed } = open
    // It charged again, but counted nothing before the counter began anew: that was the next session's beginning.
    const isLagging = resumed !== null && open.pausedUs === null && open.energyWh - resumed.energyWh < 1e-6
    const endedUs = isLagging ? (resumed.endedUs ?? resumed.timeUs) : this.#endOf(open, step, restWh)
    gain(open, { ...now, totalWh: meterWh }, step.fromUs, endedUs, restWh)
    if (isLagging) {
      open.interruptions--
      open.chargedUntilUs = resumed.chargedUntilUs
    } else if (open.pausedUs === null) open.chargedUntilUs = endedUs
    this.#end(open, step, endedUs)
    state.last = null
    if (charges(now)) {
      const startedUs = isLagging
        ? resumed.timeUs
        : Math.max(endedUs, toUs - chargingTimeUs(ownWh, now, toUs - endedUs))
      state.open = fresh(startedUs, now, meterWh, !isLagging && endedUs < toUs)
      gain(state.open, now, startedUs, toUs, ownWh)
    } else if (ownWh >= unseenWh) this.#unseen(ownWh, { fromUs: endedUs, toUs }, now, toUs)
    else state.pendingWh = ownWh
  }

  /** When it ended: with the row that says so, unless nobody looked before it; then when its energy was delivered. */
  #endOf(open: Current, { toUs, now }: Step, energyWh: number): number {
    const { gap, timeUs, seenUs } = this.#state
    const wasAway = gap !== null && gap.toUs === toUs && (timeUs! > seenUs! || toUs - gap.fromUs > absenceUs)
    if (!wasAway) return toUs
    open.estimated = true
    const powerW = open.pausedUs === null || open.pausedUs === toUs ? (open.peakPowerW ?? now.powerW ?? 0) : 0
    const lengthUs = powerW > 0 ? (energyWh / powerW) * 3_600_000_000 : 0
    return Math.max(open.startedUs, Math.min(toUs, Math.round(gap.fromUs + lengthUs)))
  }

  #end(open: Current, { toUs }: Step, endedUs: number): void {
    open.endedUs = endedUs
    open.chargedUntilUs = Math.min(open.chargedUntilUs, endedUs)
    open.lastRowUs = toUs
    this.#state.open = null
    this.#state.pendingWh = 0
    this.#emit(sessionOf(open))
  }

  #extend(last: Current, { fromUs, toUs, now, energyWh }: Pick<Step, 'fromUs' | 'toUs' | 'now' | 'energyWh'>): void {
    const endedUs = last.endedUs!
    gain(last, now, Math.min(fromUs, endedUs), endedUs, energyWh)
    last.lastRowUs = toUs
    this.#emit(sessionOf(last))
    if (this.#state.unseen?.startedUs === last.startedUs) this.#state.unseen = { ...last, curve: [...last.curve] }
  }

  /** More than any charger delivers: what its records told of a gap, else another counter, whose past is not ours. */
  #leapt(step: Step): void {
    const { gap } = this.#state
    if (step.leapWh === 0) return
    if (gap !== null && step.toUs - gap.toUs <= gapTailUs)
      this.#unseen(step.leapWh, gap, { ...step.now, vehicle: '' }, step.toUs)
    else if (this.#state.open !== null) this.#state.open.estimated = true
  }

  #absence({ fromUs, toUs }: Step): Gap {
    const { gap } = this.#state
    return gap !== null && gap.toUs === toUs ? gap : { fromUs, toUs }
  }

  /** Nobody saw it charge. More that was told of the same time is of the same session. */
  #unseen(energyWh: number, { fromUs, toUs }: Gap, now: InForce, rowUs: number): void {
    const state = this.#state
    const startedUs = Math.min(fromUs + 1000, toUs)
    const { last, unseen } = state
    const known = unseen !== null && startedUs <= unseen.endedUs! ? unseen : null
    const session =
      (known?.startedUs === last?.startedUs ? last : known) ??
      fresh(startedUs, now, now.totalWh === null ? null : now.totalWh - energyWh, true)
    gain(session, now, startedUs, toUs, energyWh)
    session.peakPowerW = null
    session.endedUs = Math.max(session.endedUs ?? toUs, toUs)
    session.chargedUntilUs = session.endedUs
    session.lastRowUs = rowUs
    this.#emit(sessionOf(session))
    state.unseen = { ...session, curve: [...session.curve] }
    if (state.open === null) state.last = session
  }
}

/** One row: what was in force, what is, and what was counted between. */
interface Step extends Counted {
  readonly before: InForce
  readonly now: InForce
  readonly fromUs: number
  readonly toUs: number
  readonly isReset: boolean
}

const beginning = (): State => ({
  timeUs: null,
  seenUs: null,
  now: { state: null, totalWh: null, sessionWh: null, powerW: null, vehicle: null, status: null },
  open: null,
  last: null,
  gap: null,
  unseen: null,
  pendingWh: 0
})

/** Power decides for a source that tells no state. */
const charges = ({ state, powerW }: InForce): boolean => state === 'charging' || (state === null && (powerW ?? 0) > 0)

const isOtherCard = ({ vehicle }: Session, now: InForce): boolean =>
  vehicle !== '' && Boolean(now.vehicle) && now.vehicle !== vehicle

/** Counters may be cleared some rows after the session they count began: that is no second one. */
const isOwnReset = (open: Current): boolean => open.energyWh === 0 && open.resumed === null

function fresh(startedUs: number, now: InForce, meterStartWh: number | null, estimated: boolean): Current {
  return {
    startedUs,
    endedUs: null,
    energyWh: 0,
    peakPowerW: now.powerW,
    vehicle: now.vehicle ?? '',
    interruptions: 0,
    meterStartWh,
    meterEndWh: meterStartWh,
    estimated,
    chargedUntilUs: startedUs,
    curve: [],
    lastRowUs: startedUs,
    pausedUs: null,
    resumed: null,
    mayGoOn: false
  }
}

function gain(session: Current, now: Pick<InForce, 'totalWh'>, fromUs: number, toUs: number, energyWh: number): void {
  addToCurve(session, fromUs, toUs, energyWh)
  session.energyWh += energyWh
  if (now.totalWh === null) return
  session.meterStartWh ??= now.totalWh - session.energyWh
  session.meterEndWh = now.totalWh
}

function resume(open: Current, timeUs: number, endedUs: number | null): void {
  open.interruptions++
  open.resumed = { timeUs, energyWh: open.energyWh, chargedUntilUs: open.chargedUntilUs, endedUs }
  open.pausedUs = null
}

function notePower(open: Session, { powerW }: InForce): void {
  if (powerW !== null && powerW > (open.peakPowerW ?? 0)) open.peakPowerW = powerW
}

const sessionOf = (current: Current): Session => {
  const { pausedUs: _, resumed: __, mayGoOn: ___, ...session } = current
  return { ...session, curve: [...session.curve] }
}
