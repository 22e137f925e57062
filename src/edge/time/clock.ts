// The clocks of the edge: the monotonic clock, and the time of day as far as it can be known. Promises: no time before
// it can be trusted; a wall clock that leaps is not followed until the kernel or the server confirms it; if the clocks
// of edge and server are far apart, the server's counts, because the server accepts or refuses a sample by its time.
// The edge never sets a clock.

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
 * No sample is older than this software: an earlier clock was never set (a Raspberry Pi loses its time without power).
 */
export const builtMs = Date.UTC(2026, 9, 1)

/** Names the run of the monotonic clock: this start of the machine, or else this process. */
export function readBootId(file = '/proc/sys/kernel/random/boot_id'): string {
  try {
    return readFileSync(file, 'utf8').trim() || randomUUID()
  } catch {
    return randomUUID()
  }
}

/** Whether the kernel is synchronised (NTP); undefined if nobody can tell: no systemd, no timedatectl. */
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
 * `unset`: before the date of this software. `unsynchronised`: the kernel says so. In both, there is no time yet.
 * `system`: nobody can say whether the clock of this machine is right. `leapt`: the clock leapt and is not followed.
 * `synchronised`: right by the kernel, or within a minute of the server. `server`: the time is the server's.
 */
export type ClockState = 'unset' | 'unsynchronised' | 'system' | 'leapt' | 'synchronised' | 'server'

export interface EdgeTimeOptions {
  readonly clock: Clock
  readonly log: Logger
  /** Asks the kernel; see askKernel. */
  readonly kernel?: () => Promise<boolean | undefined>
  /** The time has become known, or better known: undated samples can be stamped. */
  readonly onKnown?: () => void
}

/** UTC at moment 0 of the monotonic clock, in ms, give or take half the round trip. */
interface ServerBase {
  readonly baseMs: number
  readonly uncertaintyMs: number
}

/*
 * A base is UTC minus the monotonic clock: one addition gives the time of any moment. `own` is that of the wall clock.
 *
 *   server has told its time, own is near it        own
 *   server has told its time, own is far from it    the server's
 *   own is before the date of this software         none
 *   kernel is not synchronised, and never was       none
 *   own has leapt since the last look               the base before the leap; the kernel is asked again
 *   else                                            own
 *
 * Near is one minute. If the kernel is synchronised, it is almost the time by which a sample may lie in the future.
 */
export class EdgeTime {
  readonly #options: EdgeTimeOptions
  #kernel: boolean | undefined
  #server: ServerBase | undefined
  /** The base in use; undefined while there is none. */
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

  /** The kernel or the server has confirmed this time. */
  get isConfirmed(): boolean {
    const { state } = this
    return state === 'synchronised' || state === 'server'
  }

  /** Asks the kernel now, and then until it is synchronised. */
  async start(): Promise<void> {
    await this.#askKernel()
    this.#hasStarted = true
    this.#look()
  }

  stop(): void {
    clearTimeout(this.#timer)
  }

  /** ms since the Unix epoch at that moment; undefined while the time is unknown. */
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
    if (isFar)
      log.warn(
        { event: 'clock_offset', offsetMs },
        "this machine's clock differs from the server's by more than a minute"
      )
    this.#look()
  }

  /** Decides again. Cheap: it runs for every sample. */
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
    // A known time stays known.
    if (this.#kernel === false && this.#baseMs === undefined) return ['unsynchronised', undefined]
    return [this.#kernel === true ? 'synchronised' : 'system', ownMs]
  }

  /** True after a leap of the wall clock, until the clock is back or the kernel is synchronised. */
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
        'the clock of this machine leapt: it is not followed until it is confirmed'
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
    // A synchronised clock stays trusted: without its source it drifts by seconds a day, and the server shows it.
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
