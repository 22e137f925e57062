// Turns the rows of one charger, in time order, into its charging sessions. A session begins with the first charging
// row. It ends with a row that reports no vehicle, that reports another card while nothing charges, or whose session
// counter was reset. A pause does not end a session: nothing charges, the card is the same, the counter continues, and
// the charger does not report itself idle. The energy of a session is the gain of the lifetime counter. Where the
// lifetime counter fell or leapt, the energy is the gain of the session counter. Pure and deterministic: the same rows
// give the same sessions, even if the course is stored and restored between rows.

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

/** A session that is open, or that ended so recently that its counter may still rise. */
interface Current extends Session {
  /** When the pause began. Null while the session charges. */
  pausedUs: number | null
  /** The session as it was when charging last resumed. Null: the session never paused. */
  resumed: { timeUs: number; energyWh: number; chargedUntilUs: number; endedUs: number | null } | null
  /** True when no row reported that the vehicle left. The session continues if the session counter continues. */
  mayGoOn: boolean
}

interface Gap {
  fromUs: number
  toUs: number
}

/** All state that later rows depend on. */
interface State {
  /** The time of the newest row. Null before the first row. */
  timeUs: number | null
  /** The time of the newest row at which the charger was known to answer. */
  seenUs: number | null
  now: InForce
  open: Current | null
  last: Current | null
  gap: Gap | null
  /** The newest session that charged unseen, while rows may still report more of its energy. */
  unseen: Current | null
  /** Energy that was counted after a reset while nothing charged. It belongs to the next session. */
  pendingWh: number
}

/** A counter may lag behind the end of its session by this time. */
const tailUs = 600_000_000
/** A session that is already under way when it is first seen may have this much energy. */
const firstMaxWh = 1_000_000
/** From this amount on, energy that was never seen charging makes a session of its own. */
const unseenWh = 100
/** If energy is counted across a longer silence, its distribution over time is a guess. */
const silenceUs = 3_600_000_000
/** A charger that reports nothing for this long was absent. An end within the absence is estimated. */
const absenceUs = 24 * 3_600_000_000
/** The energy that the charger's own records add after a gap is reported within this time. */
const gapTailUs = 1_800_000_000

/** The words of chargers for "no vehicle": Amtron, ECU, OCPP. */
const freeWords = /^(idle|no_vehicle_connected|available)$/i

export class Course {
  readonly #state: State
  readonly #emit: (session: Session) => void

  /**
   * `stored` is the result of `store()`. `emit` receives each session that ended, and again when its counter still
   * rose.
   */
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

  /** The sessions that later rows may change: the open session, and ended sessions whose counter may still rise. */
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

  /** The changes by a row, before they are assigned to a session. */
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

  /** Handles a row while no session is open. */
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

  /**
   * Continues the last session, which ended without a sign that the vehicle stays. The session counter is such a sign
   * if it continues. False if the session stays ended.
   */
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

  /** The session counter was reset. The energy that it shows belongs to the next session, the rest to this one. */
  #splitAt(open: Current, step: Step): void {
    const { now, toUs } = step
    const state = this.#state
    const ownWh = Math.min(step.energyWh, now.sessionWh ?? 0)
    const restWh = step.energyWh - ownWh
    const meterWh = now.totalWh === null ? null : now.totalWh - ownWh
    const { resumed } = open
    // Charging resumed, but counted nothing before the reset. So the next session began when charging resumed.
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

  /**
   * The time at which the session ended, in µs: the time of the row that reports the end. If the charger was not seen
   * before that row, the session ended when its energy was delivered.
   */
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

  /**
   * Handles a gain that no charger can deliver. After a gap it comes from the charger's own records. Otherwise it comes
   * from another counter, whose past does not count.
   */
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

  /** Adds energy that was not seen charging. More energy of the same time belongs to the same session. */
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

/** One row: the values in force before it and after it, and the energy counted in between. */
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

/** For a source that reports no state, the power decides. */
const charges = ({ state, powerW }: InForce): boolean => state === 'charging' || (state === null && (powerW ?? 0) > 0)

const isOtherCard = ({ vehicle }: Session, now: InForce): boolean =>
  vehicle !== '' && Boolean(now.vehicle) && now.vehicle !== vehicle

/**
 * Counters may be cleared some rows after the start of the session that they count. Such a reset starts no second
 * session.
 */
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
