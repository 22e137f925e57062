// What the edge knows about one charger, and how a sample becomes a spooled one: stamp, accumulate, diff, append.
// Promises that memory moves only after the disk has moved, that sampling times rise and lifetime energy never falls.
// A failed poll publishes nothing; after three in a row the charger's state is unknown, once.

import type { Logger } from 'pino'
import type { ChargerValues } from '../model/chargerState.ts'
import { pollMissesMax } from '../model/limits.ts'
import type { Clock, PollError, Sample } from './chargers/charger.ts'
import { isTrustworthy, nextSamplingTime } from './clock.ts'
import { diff, remember } from './diff.ts'
import { type Accumulated, accumulate, type EnergyState } from './energy.ts'
import type { ChargerNow } from './feed.ts'
import type { ChargerMemory, Spool } from './spool.ts'

export interface WatchOptions {
  readonly charger: string
  readonly spool: Pick<Spool, 'append' | 'memoryOf'>
  readonly heartbeatMs: number
  readonly clock: Clock
  readonly log: Logger
  /** Something was appended. */
  readonly onAppended: () => void
}

export class Watch {
  readonly #options: WatchOptions
  #memory: ChargerMemory
  /** By the clock that never steps; unknown after a restart. */
  #energyCountedAtMs: number | undefined
  #misses = 0
  /** Why the charger gives nothing; undefined while it answers. */
  #fault: string | undefined
  #implausible = 0
  #clockWarned = false

  constructor(options: WatchOptions) {
    this.#options = options
    this.#memory = options.spool.memoryOf(options.charger) ?? { timeMs: 0, known: {} }
  }

  /** Values left out since the start because they could not be. */
  get implausible(): number {
    return this.#implausible
  }

  now(): ChargerNow {
    return { charger: this.#options.charger, known: this.#memory.known }
  }

  /** Throws what the spool throws: then nothing has moved, and the next sample tells the same news again. */
  take(sample: Sample): void {
    this.#answered()
    this.#noteOddities(sample)
    if (!this.#clockIsTrustworthy(sample.arrivedMs)) return
    const counted = this.#accumulate(sample)
    const total = counted?.state.totalWh ?? this.#memory.energy?.totalWh
    const values = {
      ...sample.values,
      ...(sample.session === undefined || total === undefined ? {} : { TotalEnergyConsumption: total })
    }
    this.#spool(sample.arrivedMs, values, counted?.state, sample.device?.serial)
    if (counted !== undefined) this.#noteEnergy(counted, sample.arrivedMonotonicMs)
  }

  /** A poll failed. Throws what the spool throws. */
  miss(error: PollError): void {
    const { charger, clock, log } = this.#options
    this.#misses++
    if (this.#fault !== error.code) {
      this.#fault = error.code
      log.warn({ event: 'poll_failed', charger, fault: error.code, reason: error.message }, 'the charger gave nothing')
    }
    const nowMs = clock.nowMs()
    if (this.#misses < pollMissesMax || this.#memory.known.OperationState === undefined) return
    if (this.#clockIsTrustworthy(nowMs))
      this.#spool(nowMs, { OperationState: 'unknown' }, undefined, undefined, Infinity)
  }

  #answered(): void {
    const { charger, log } = this.#options
    if (this.#fault !== undefined) log.info({ event: 'poll_recovered', charger, misses: this.#misses }, 'it answers')
    this.#misses = 0
    this.#fault = undefined
  }

  #noteOddities({ implausible, device }: Sample): void {
    const { charger, log } = this.#options
    const first = this.#implausible === 0
    this.#implausible += implausible.length
    // Once: a broken meter would fill the log. The count goes on.
    if (first && implausible.length > 0) {
      log.warn({ event: 'implausible_value', charger, found: implausible }, 'left out what no charger can have')
    }
    const known = this.#memory.serial
    if (device?.serial === undefined || device.serial === known) return
    const event = known === undefined ? 'charger_identified' : 'charger_serial_changed'
    log[known === undefined ? 'info' : 'warn']({ event, charger, ...device, before: known }, event.replaceAll('_', ' '))
    // Remembered on disk with the next append.
    this.#memory = { ...this.#memory, serial: device.serial }
  }

  #clockIsTrustworthy(nowMs: number): boolean {
    const trustworthy = isTrustworthy(nowMs)
    if (!trustworthy && !this.#clockWarned) {
      const { charger, log } = this.#options
      log.warn({ event: 'clock_not_set', charger, nowMs }, 'samples wait until the clock is set')
    }
    this.#clockWarned = !trustworthy
    return trustworthy
  }

  #accumulate({ session, arrivedMonotonicMs }: Sample): Accumulated | undefined {
    if (session === undefined) return undefined
    const since = this.#energyCountedAtMs
    return accumulate(this.#memory.energy, session, since === undefined ? undefined : arrivedMonotonicMs - since)
  }

  /** Appends what is new, and only then remembers it. */
  #spool(
    arrivedMs: number,
    values: Readonly<Partial<ChargerValues>>,
    energy: EnergyState | undefined,
    serial: string | undefined,
    heartbeatMs = this.#options.heartbeatMs
  ): void {
    const { charger, spool, onAppended } = this.#options
    const timeMs = nextSamplingTime(arrivedMs, this.#memory.timeMs)
    const changed = diff(this.#memory.known, values, timeMs, heartbeatMs)
    const memory: ChargerMemory = {
      ...this.#memory,
      ...(energy === undefined ? {} : { energy }),
      ...(serial === undefined ? {} : { serial })
    }
    if (Object.keys(changed).length === 0) {
      // Nothing to publish means that no energy was added: what else moved may be lost in a crash.
      this.#memory = memory
      return
    }
    const appended = { ...memory, timeMs, known: remember(memory.known, changed, timeMs) }
    spool.append({ charger, timeMs, values: changed }, appended)
    const before = this.#memory.known.OperationState?.value
    this.#memory = appended
    onAppended()
    this.#noteState(before)
  }

  #noteState(before: string | undefined): void {
    const { charger, log } = this.#options
    const state = this.#memory.known.OperationState?.value
    if (state === before) return
    const status = this.#memory.known.ChargerStatus?.value
    log.info({ event: 'charger_state', charger, state, status, before }, 'charger state')
  }

  #noteEnergy({ step, addedWh, state }: Accumulated, atMs: number): void {
    const { charger, log } = this.#options
    if (step !== 'implausible') this.#energyCountedAtMs = atMs
    if (step === 'same_session') return
    const level = step === 'implausible' || step === 'rebased' ? 'warn' : 'info'
    log[level]({ event: 'energy', charger, step, addedWh, totalWh: state.totalWh }, 'session counter')
  }
}
