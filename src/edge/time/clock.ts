// The edge's clocks: the one that never steps, and what the time is by it, as far as that can be known.
// Promises: no time before it can be trusted; a wall clock that leaps is not followed before the kernel or the server
// says so; where the server's clock is far from this one it is the server's that counts, as it is the server that takes
// or refuses a sample by its time. Never sets a clock.

import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { Logger } from 'pino'
import { acceptFutureMs } from '../../model/wire/limits.ts'
import {
  clockOffsetMsMax,
  clockStepMsMax,
  kernelProbeIntervalMs,
  kernelProbeIntervalMsMax,
  kernelProbeTimeoutMs
} from './limits.ts'

export interface Clock {
  /** ms since the Unix epoch; may step. */
  nowMs(): number
  /** ms since some moment; never steps. */
  monotonicMs(): number
}

/** CLOCK_MONOTONIC: the same for all processes since the machine has started. */
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => Number(process.hrtime.bigint()) / 1e6
}

/**
 * No sample is older than this software: a clock that says so was never set (a Raspberry Pi keeps none without power).
 */
export const builtMs = Date.UTC(2026, 9, 1)

/** Names the run of the monotonic clock: of this start of the machine, else of this process. */
export function readBootId(file = '/proc/sys/kernel/random/boot_id'): string {
  try {
    return readFileSync(file, 'utf8').trim() || randomUUID()
  } catch {
    return randomUUID()
  }
}

/** True or false as the kernel has it (NTP), undefined where nobody tells: no systemd, no timedatectl. */
export const askKernel = (command = 'timedatectl'): Promise<boolean | undefined> =>
  new Promise(resolve => {
    const args = ['show', '--property=NTPSynchronized', '--value']
    execFile(command, args, { timeout: kernelProbeTimeoutMs }, (error, stdout) => {
      const word = error ? '' : stdout.trim()
      resolve(word === 'yes' ? true : word === 'no' ? false : undefined)
    })
  })

/** ms; later than every sampling time before. */
export const nextSamplingTime = (arrivedMs: number, lastMs: number | undefined): number =>
  lastMs === undefined ? Math.floor(arrivedMs) : Math.max(Math.floor(arrivedMs), lastMs + 1)

/**
 * `unset`: before the date of this software. `unsynchronised`: the kernel says so. Both: there is no time yet.
 * `system`: nobody can say whether this machine's clock is right. `leapt`: it was left for the time that it told
 * before. `synchronised`: it is right by the kernel, or within a minute of the server. `server`: the time is the
 * server's.
 */
export type ClockState = 'unset' | 'unsynchronised' | 'system' | 'leapt' | 'synchronised' | 'server'

export interface EdgeTimeOptions {
  readonly clock: Clock
  readonly log: Logger
  /** Asks the kernel; see askKernel. */
  readonly kernel?: () => Promise<boolean | undefined>
  /** The time is known now, or is known better: held samples can be stamped. */
  readonly onKnown?: () => void
}

/** UTC at the moment 0 of the monotonic clock, in ms, to half the round trip. */
interface ServerBase {
  readonly baseMs: number
  readonly uncertaintyMs: number
}

/*
 * A base is UTC minus the monotonic clock, so that the time of any moment is one addition. `own` is the wall clock's
 * base.
 *
 *   server has told its time, own is near it        own      near: one minute; where the kernel is synchronised, almost
 * as
 *   server has told its time, own is far from it    server's far as the server takes samples from the future
 *   own is before the date of this software         none
 *   kernel is not synchronised, and never was       none
 *   own has leapt since the last look               the base before the leap; the kernel is asked again
 *   else                                            own
 */
export class EdgeTime {
  readonly #options: EdgeTimeOptions
  #kernel: boolean | undefined
  #server: ServerBase | undefined
  /** The base in force, undefined while there is none. */
  #baseMs: number | undefined
  #state: ClockState = 'unset'
  #hasStarted = false
  #hasLeapt = false
  #timer: NodeJS.Timeout | undefined
  #warned: string | undefined

  constructor(options: EdgeTimeOptions) {
    this.#options = options
  }

  get state(): ClockState {
    this.#look()
    return this.#state
  }

  /** Somebody else has confirmed this time: the kernel or the server. */
  get isConfirmed(): boolean {
    const { state } = this
    return state === 'synchronised' || state === 'server'
  }

  /** Asks the kernel for the first time, and then until it is synchronised. */
  async start(): Promise<void> {
    await this.#askKernel()
    this.#hasStarted = true
    this.#look()
  }

  stop(): void {
    clearTimeout(this.#timer)
  }

  /** ms since the Unix epoch at that moment; undefined while that is not known. */
  at(monotonicMs: number): number | undefined {
    this.#look()
    return this.#baseMs === undefined ? undefined : this.#baseMs + monotonicMs
  }

  now(): number | undefined {
    return this.at(this.#options.clock.monotonicMs())
  }

  /** The server's clock read `serverMs` at some moment of the last `roundTripMs`. */
  serverSays(serverMs: number, roundTripMs: number): void {
    const { clock, log } = this.#options
    const baseMs = serverMs + roundTripMs / 2 - clock.monotonicMs()
    this.#server = { baseMs, uncertaintyMs: roundTripMs / 2 }
    const offsetMs = Math.round(this.#ownBaseMs() - baseMs)
    const isFar = Math.abs(offsetMs) > clockOffsetMsMax + roundTripMs / 2
    if (isFar) log.warn({ event: 'clock_offset', offsetMs }, "this machine's clock is far from the server's")
    this.#look()
  }

  /** Decides anew. Cheap: it is done for every sample. */
  #look(): void {
    if (!this.#hasStarted) return
    const before = this.#state
    const [state, baseMs] = this.#decide(this.#ownBaseMs())
    const isNews = state !== before
    this.#state = state
    this.#baseMs = baseMs
    if (baseMs === undefined) this.#warnOnce(state)
    if (!isNews) return
    this.#options.log.info({ event: 'clock', state, before }, 'clock')
    if (baseMs !== undefined) this.#options.onKnown?.()
  }

  #decide(ownMs: number): [ClockState, number | undefined] {
    const isSet = this.#options.clock.nowMs() >= builtMs
    const server = this.#server
    if (server !== undefined) {
      const nearMs = this.#kernel === true ? acceptFutureMs - clockOffsetMsMax : clockOffsetMsMax
      const isNear = Math.abs(ownMs - server.baseMs) <= nearMs + server.uncertaintyMs
      return isNear && isSet && this.#kernel !== false ? ['synchronised', ownMs] : ['server', server.baseMs]
    }
    if (this.#leaps(ownMs)) return ['leapt', this.#baseMs]
    if (!isSet) return ['unset', undefined]
    // A time that was known stays known.
    if (this.#kernel === false && this.#baseMs === undefined) return ['unsynchronised', undefined]
    return [this.#kernel === true ? 'synchronised' : 'system', ownMs]
  }

  /** True from a leap of the wall clock on, until it is back or the kernel is synchronised. */
  #leaps(ownMs: number): boolean {
    if (this.#baseMs === undefined) return false
    if (Math.abs(ownMs - this.#baseMs) <= clockStepMsMax) {
      this.#hasLeapt = false
    } else if (!this.#hasLeapt) {
      this.#hasLeapt = true
      this.#kernel = undefined
      const leapMs = Math.round(ownMs - this.#baseMs)
      this.#options.log.warn(
        { event: 'clock_leapt', leapMs },
        "this machine's clock leapt: not followed unless confirmed"
      )
      void this.#askKernel()
    }
    return this.#hasLeapt && this.#kernel !== true
  }

  #ownBaseMs(): number {
    const { clock } = this.#options
    return clock.nowMs() - clock.monotonicMs()
  }

  async #askKernel(): Promise<void> {
    clearTimeout(this.#timer)
    const answer = await this.#options.kernel?.()
    // Once synchronised it stays so: a clock that has lost its source drifts by seconds a day, and the server tells.
    if (answer === undefined && this.#kernel !== undefined) return
    this.#kernel = answer
    if (answer === false) {
      const intervalMs = this.#server === undefined ? kernelProbeIntervalMs : kernelProbeIntervalMsMax
      this.#timer = setTimeout(() => void this.#askKernel(), intervalMs).unref()
    }
    this.#look()
  }

  #warnOnce(state: ClockState): void {
    if (this.#warned === state) return
    this.#warned = state
    this.#options.log.warn({ event: 'clock_not_set', state }, 'samples wait on disk until the time is known')
  }
}
