// What the edge knows about one charger, and how a sample becomes a spooled one: date it, add its energy, compare,
// append. Memory moves only after the disk has moved; sampling times rise; lifetime energy never falls. A failed poll
// publishes nothing; after three in a row the charger's state becomes unknown, once. An answer of another charger at
// the address counts as a failed poll. While the time is unknown, samples are spooled undated, with a mark of the
// monotonic clock.

import type { Logger } from 'pino'
import type { ChargerValues } from '../model/wire/chargerState.ts'
import type { Reachability } from '../model/wire/edgeStatus.ts'
import { type Device, PollError, type Sample, type SessionRecord } from './chargers/charger.ts'
import { pollMissesMax } from './chargers/limits.ts'
import { diff, type Known, type KnownValues, remember } from './diff.ts'
import type { EnergyStep } from './energy/energy.ts'
import type { SavedCharger } from './energy/energyFile.ts'
import type { Retained } from './energy/seed.ts'
import { type Counted, EnergyLedger } from './energyLedger.ts'
import type { ChargerMemory, Spool } from './spool/spool.ts'
import { type Clock, type EdgeTime, nextSamplingTime } from './time/clock.ts'
import { clockOffsetMsMax } from './time/limits.ts'
import type { ChargerNow } from './uplink/feed.ts'

export interface ChargerRecorderOptions {
  readonly charger: string
  readonly spool: Pick<Spool, 'append' | 'memoryOf' | 'newestSeq' | 'addToTotals' | 'pullBack'>
  readonly heartbeatMs: number
  readonly clock: Pick<Clock, 'monotonicMs'>
  readonly time: Pick<EdgeTime, 'at' | 'now' | 'isConfirmed'>
  /** Names this start of the machine. */
  readonly bootId: string
  readonly log: Logger
  /** A sample was appended; `isUndated`: without a time. */
  readonly onAppended: (isUndated: boolean) => void
  /** What the second file knows of this charger. */
  readonly saved?: SavedCharger | undefined
  readonly onEnergy?: (saved: SavedCharger, step: EnergyStep) => void
  /** Wh: the current lifetime energy of a charger that this disk does not know. */
  readonly energyStartWh?: number | undefined
  /** The first serial number of an answer becomes the serial number of the charger. */
  readonly acceptsSerial?: boolean
}

/** A moment: `utcMs` is undefined while the time is unknown. */
interface Moment {
  readonly monotonicMs: number
  readonly utcMs: number | undefined
}

export class ChargerRecorder {
  readonly #options: ChargerRecorderOptions
  readonly #ledger: EnergyLedger
  #memory: ChargerMemory
  #acceptsSerial: boolean
  #misses = 0
  #reachability: { readonly state: Reachability; readonly sinceMonotonicMs: number } | undefined
  #implausible = 0

  constructor(options: ChargerRecorderOptions) {
    const { charger, spool, saved, energyStartWh, acceptsSerial = false, log } = options
    this.#options = options
    this.#acceptsSerial = acceptsSerial
    this.#memory = spool.memoryOf(charger) ?? { timeMs: 0, known: {}, ...(saved?.serial && { serial: saved.serial }) }
    this.#ledger = new EnergyLedger({
      charger,
      saved: saved?.energy,
      startWh: energyStartWh,
      newestSeq: () => spool.newestSeq,
      log
    })
    if (energyStartWh === undefined || this.#memory.energy === undefined) return
    const { totalWh } = this.#memory.energy
    log.warn(
      { event: 'energy_start_ignored', charger, totalWh },
      'the lifetime energy of this charger is known already'
    )
  }

  /** Implausible values left out since the start. */
  get implausible(): number {
    return this.#implausible
  }

  /** How often its meter got a new baseline. */
  get epochs(): number {
    return this.#memory.energy?.epochs ?? 0
  }

  get memory(): ChargerMemory {
    return this.#memory
  }

  /** Whether the charger answers, or why not, and since when; undefined before the first poll. */
  get reachability(): { readonly state: Reachability; readonly sinceMonotonicMs: number } | undefined {
    return this.#reachability
  }

  /** The known values that have a time; undated values cannot be published yet. */
  now(): ChargerNow {
    const known = Object.entries(this.#memory.known).filter(([, { held }]) => held === undefined)
    return { charger: this.#options.charger, known: Object.fromEntries(known) as KnownValues }
  }

  /** While true, nothing of the charger may be published: `seed` must be called first. */
  get wantsSeed(): boolean {
    return this.#ledger.wantsSeed(this.#memory)
  }

  /** Its gap, if there is one and the time is known: then `fill` must be called. */
  get openGap(): { readonly sinceMs: number; readonly nowMs: number } | undefined {
    const { gap } = this.#memory
    const nowMs = gap && this.#options.time.now()
    return nowMs === undefined ? undefined : { sinceMs: gap!.sinceMs, nowMs }
  }

  /**
   * Throws PollError for a sample of another charger, and what the spool throws. Then nothing has moved, and the next
   * sample brings the same news.
   */
  record(sample: Sample): void {
    const { time } = this.#options
    const monotonicMs = sample.arrivedMonotonicMs
    const utcMs = time.at(monotonicMs)
    const isAnother = this.#checkSerial(sample.device)
    this.#answered()
    this.pullBack()
    const counted = this.#ledger.count(this.#memory, sample, utcMs, isAnother)
    this.#countImplausible(sample, counted)
    const serial = sample.device?.serial
    const changes = { ...counted?.changes, ...(serial === undefined ? {} : { serial }) }
    this.#spool({ monotonicMs, utcMs }, valuesOf(sample, counted, this.#memory), changes, this.#options.heartbeatMs)
    if (counted === undefined) return
    this.#ledger.noteCounted(counted, monotonicMs)
    this.#saveEnergy(counted.step)
  }

  /** A poll failed. Throws what the spool throws. */
  miss(error: PollError): void {
    const { charger, clock, time, log } = this.#options
    this.#misses++
    if (this.#reach(error.code)) {
      log.warn({ event: 'poll_failed', charger, fault: error.code, reason: error.message }, 'the charger gave nothing')
    }
    if (this.#misses < pollMissesMax || this.#memory.known.OperationState === undefined) return
    const monotonicMs = clock.monotonicMs()
    this.#spool({ monotonicMs, utcMs: time.at(monotonicMs) }, { OperationState: 'unknown' }, {}, Infinity)
  }

  /**
   * The server has told what it has of this charger. Throws what the spool throws: then the recorder still wants its
   * seed.
   */
  seed(retained: Retained): void {
    const seeded = this.#ledger.seed(this.#memory, retained)
    if (seeded === undefined) return
    const { offsetWh, afterSeq, changes } = seeded
    const total = this.#memory.known.TotalEnergyConsumption
    const known = total && {
      ...this.#memory.known,
      TotalEnergyConsumption: { ...total, value: total.value + offsetWh }
    }
    const memory = without({ ...this.#memory, ...changes, ...(known && { known }) }, 'seed')
    this.#options.spool.addToTotals(this.#options.charger, offsetWh, afterSeq, memory)
    this.#memory = memory
    this.#saveEnergy('first')
  }

  /**
   * Adds the energy that the records show for the gap; undefined where they did not answer. The next sample publishes
   * it.
   */
  fill(records: readonly SessionRecord[] | undefined): void {
    const energy = this.#ledger.fill(this.#memory, records, this.#options.time.now())
    this.#memory = without({ ...this.#memory, ...(energy && { energy }) }, 'gap')
  }

  /** Its samples were stamped: `memory` is its state now. */
  stamped(memory: ChargerMemory): void {
    this.#memory = memory
  }

  /**
   * A sample from the future shows that the clock was wrong, and would hold back all later ones. Throws as `record`
   * does.
   */
  pullBack(): void {
    const { charger, spool, time, log } = this.#options
    const nowMs = time.isConfirmed ? time.now() : undefined
    if (nowMs === undefined || this.#memory.timeMs <= nowMs + clockOffsetMsMax) return
    const aheadMs = Math.round(this.#memory.timeMs - nowMs)
    let after = this.#memory
    const memoryAt = (timeMs: number): ChargerMemory => {
      const known = Object.entries(this.#memory.known).map(([name, was]) =>
        was.held === undefined && was.timeMs > timeMs ? [name, { ...was, timeMs }] : [name, was]
      )
      after = { ...without(this.#memory, 'countedAtMs'), timeMs, known: Object.fromEntries(known) as KnownValues }
      return after
    }
    const samples = spool.pullBack(charger, Math.floor(nowMs), memoryAt)
    this.#memory = after
    log.warn(
      { event: 'samples_pulled_back', charger, aheadMs, samples },
      'samples were stamped by a clock that was ahead'
    )
  }

  /** True when another charger replaces this one on purpose. */
  #checkSerial(device: Device | undefined): boolean {
    const { charger, log } = this.#options
    const pinned = this.#memory.serial
    const serial = device?.serial
    if (serial === undefined || serial === pinned) return false
    if (pinned !== undefined && !this.#acceptsSerial) {
      const expected = `expected the charger with serial number ${pinned}, found ${serial}`
      throw new PollError('wrong_serial', `${expected}; if it was replaced, run the edge once with --accept-serial`)
    }
    const event = pinned === undefined ? 'charger_identified' : 'charger_serial_accepted'
    log[pinned === undefined ? 'info' : 'warn'](
      { event, charger, ...device, before: pinned },
      event.replaceAll('_', ' ')
    )
    this.#acceptsSerial = false
    return pinned !== undefined
  }

  #answered(): void {
    const { charger, log } = this.#options
    const wasAway = this.#reachability !== undefined && this.#reachability.state !== 'ok'
    this.#reach('ok')
    if (wasAway) log.info({ event: 'poll_recovered', charger, misses: this.#misses }, 'it answers')
    this.#misses = 0
  }

  /** True when the state has changed. */
  #reach(state: Reachability): boolean {
    if (this.#reachability?.state === state) return false
    this.#reachability = { state, sinceMonotonicMs: this.#options.clock.monotonicMs() }
    return true
  }

  #countImplausible({ implausible }: Sample, counted: Counted | undefined): void {
    const found = counted?.step === 'implausible' ? [...implausible, 'the energy counter'] : implausible
    const first = this.#implausible === 0
    this.#implausible += found.length
    // Logged once: a broken meter would fill the log. The count continues.
    if (!first || found.length === 0) return
    const { charger, log } = this.#options
    log.warn({ event: 'implausible_value', charger, found }, 'left out what no charger can have')
  }

  /** Appends the new values, and only then remembers them. */
  #spool(
    at: Moment,
    values: Readonly<Partial<ChargerValues>>,
    changes: Partial<ChargerMemory>,
    heartbeatMs: number
  ): void {
    const { charger, spool, bootId, onAppended } = this.#options
    const isUndated = at.utcMs === undefined
    const timeMs = isUndated ? Math.floor(at.monotonicMs) : nextSamplingTime(at.utcMs, this.#memory.timeMs)
    const changed = diff(
      this.#memory.known,
      values,
      known => ageMs(known, timeMs, isUndated ? bootId : undefined),
      heartbeatMs
    )
    const memory = { ...this.#memory, ...changes }
    if (Object.keys(changed).length === 0) {
      // Without a change no energy was added: the rest may be lost in a crash.
      this.#memory = memory
      return
    }
    const known = remember(memory.known, changed, { timeMs, ...(isUndated && { held: bootId }) })
    const appended = { ...memory, known, ...(isUndated ? {} : { timeMs }) }
    const mark = isUndated ? { undated: { bootId, monotonicMs: at.monotonicMs } } : { timeMs }
    spool.append({ charger, values: changed, ...mark }, appended)
    const before = this.#memory.known.OperationState?.value
    this.#memory = appended
    onAppended(isUndated)
    this.#logState(before)
  }

  #logState(before: string | undefined): void {
    const { charger, log } = this.#options
    const state = this.#memory.known.OperationState?.value
    if (state === before) return
    const status = this.#memory.known.ChargerStatus?.value
    log.info({ event: 'charger_state', charger, state, status, before }, 'charger state')
  }

  #saveEnergy(step: EnergyStep): void {
    const { energy, serial } = this.#memory
    if (energy !== undefined) this.#options.onEnergy?.({ energy, ...(serial === undefined ? {} : { serial }) }, step)
  }
}

/** ms. Times of different clocks cannot be compared: a dated value counts as new until the time is known again. */
function ageMs(known: Known, timeMs: number, bootId: string | undefined): number {
  if (known.held === bootId) return timeMs - known.timeMs
  return known.held === undefined ? 0 : Number.POSITIVE_INFINITY
}

/** The values with the lifetime energy in place of the meter; an implausible meter reading is left out. */
function valuesOf(
  { values, session }: Sample,
  counted: Counted | undefined,
  memory: ChargerMemory
): Partial<ChargerValues> {
  const { TotalEnergyConsumption: meterWh, ...rest } = values
  const isDropped = counted?.step === 'implausible' && meterWh !== undefined
  const totalWh = counted?.changes.energy.totalWh ?? memory.energy?.totalWh
  const isKnown = (session !== undefined || meterWh !== undefined) && totalWh !== undefined && !isDropped
  return isKnown ? { ...rest, TotalEnergyConsumption: totalWh } : rest
}

const without = (memory: ChargerMemory, name: 'seed' | 'gap' | 'countedAtMs'): ChargerMemory => {
  const { [name]: _, ...rest } = memory
  return rest
}
