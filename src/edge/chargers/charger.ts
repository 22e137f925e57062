// The nouns of polling: what the driver of one charger model takes, gives and throws. A driver asks, checks and maps
// one answer. It keeps no history, adds nothing up, and never writes to the charger. A new model is one file in
// drivers/ and one line in registry.ts.

import type { ChargerValues } from '../../model/wire/chargerState.ts'
import type { Reachability } from '../../model/wire/edgeStatus.ts'
import type { Clock } from '../time/clock.ts'

/** One answer of a charger in neutral words. A value that the charger did not tell is absent. */
export interface Sample {
  /** When the answer arrived, by the monotonic clock, in ms. Only differences have a meaning. */
  readonly arrivedMonotonicMs: number
  /**
   * `TotalEnergyConsumption` is the meter of the charger; absent for a model without a meter: then `session` is added
   * up.
   */
  readonly values: Readonly<Partial<ChargerValues>>
  /** The counter of the current or last session, for a model without a lifetime meter. */
  readonly session?: SessionReading
  /** What the charger says about itself; unknown members are absent. */
  readonly device?: Device
  /** Values that were left out because no charger can have them, each with what was found. */
  readonly implausible: readonly string[]
}

export interface SessionReading {
  /** Wh since the session began; the charger keeps it until the next session begins. */
  readonly energyWh: number
  /** s. */
  readonly durationSeconds?: number
  /** The card that authorised the session; "" for none. */
  readonly card?: string
}

/** One session of the charger's own list. Times in ms since the Unix epoch, by the clock of the edge. */
export interface SessionRecord {
  readonly startMs: number
  /** Absent while it runs. */
  readonly endMs?: number
  /** Wh. */
  readonly energyWh: number
  readonly card?: string
}

export interface Device {
  readonly serial?: string
  readonly model?: string
  readonly firmware?: string
  readonly phases?: number
}

export interface Charger {
  /** One poll, with at most one request at a time. Throws PollError without a trustworthy answer. */
  poll(): Promise<Sample>
  /**
   * The sessions that began or ended since then, if the model keeps a list. Never call it during a poll: one request
   * at a time. `nowMs` is the time now; the charger's own clock may be wrong. Throws PollError, as poll does.
   */
  records?(sinceMs: number, nowMs: number): Promise<readonly SessionRecord[]>
  /** Aborts a running poll (it throws) and releases the connection. */
  close(): Promise<void>
}

export interface ChargerOptions {
  /** Without a slash at the end. */
  readonly url: string
  /** Empty for a model without a key. */
  readonly devKey: string
  /** Overrides what the charger says. */
  readonly phases?: number
  readonly clock: Pick<Clock, 'monotonicMs'>
  /** Limits of the whole poll and of connecting; tests shorten them. */
  readonly timeoutMs?: number
  readonly connectTimeoutMs?: number
}

export type ChargerDriver = (options: ChargerOptions) => Charger

/**
 * Why a poll gave no sample. `timeout`: no complete answer in time. `refused`: nothing listens there, or the host
 * cannot be reached. `forbidden`: the key is wrong. `wrong_api`: something answers that does not speak this API.
 * `bad_answer`: the right API, but an answer that cannot be trusted. `wrong_serial`: the right API, but another
 * charger.
 */
export type PollFault = Exclude<Reachability, 'ok'>

export class PollError extends Error {
  readonly code: PollFault
  constructor(code: PollFault, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'PollError'
    this.code = code
  }
}
