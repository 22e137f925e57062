// The nouns of polling: what a driver of one charger model takes, gives and throws.
// A driver asks, checks and maps one answer; it keeps no history, accumulates nothing and never writes to the charger.
// A new model is one file in drivers/ and one line in registry.ts.

import type { ChargerValues } from '../../model/wire/chargerState.ts'
import type { Reachability } from '../../model/wire/edgeStatus.ts'
import type { Clock } from '../time/clock.ts'

/** One answer of a charger in neutral words. A value that it did not tell is absent. */
export interface Sample {
  /** When the answer arrived, by a clock that never steps, in ms. Only differences mean anything. */
  readonly arrivedMonotonicMs: number
  /**
   * `TotalEnergyConsumption` as the charger's meter has it; absent where the model has none: then `session` is
   * accumulated.
   */
  readonly values: Readonly<Partial<ChargerValues>>
  /** The counter of the current or last session, where lifetime energy has to be accumulated from it. */
  readonly session?: SessionReading
  /** What the charger says about itself, as far as it is known. */
  readonly device?: Device
  /** Values that were left out because no charger can have them, with what was found. */
  readonly implausible: readonly string[]
}

export interface SessionReading {
  /** Wh since the session began; kept by the charger until the next one begins. */
  readonly energyWh: number
  /** s. */
  readonly durationSeconds?: number
  /** The card that authorised the session, "" for none. */
  readonly card?: string
}

/** One session of the charger's own list. Times in ms since the Unix epoch, by the edge's clock. */
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
  /** One poll, at most one request at a time. Throws PollError when there is no answer that can be trusted. */
  poll(): Promise<Sample>
  /**
   * The sessions that began or ended since, where the model keeps a list. Never while a poll runs: one request at a
   * time. `nowMs` is the time now; the charger's own clock may be wrong. Throws PollError, as poll does.
   */
  records?(sinceMs: number, nowMs: number): Promise<readonly SessionRecord[]>
  /** Ends a poll that runs (it throws) and gives back the connection. */
  close(): Promise<void>
}

export interface ChargerOptions {
  /** Without a slash at its end. */
  readonly url: string
  /** Empty where the model has none. */
  readonly devKey: string
  /** Overrides what the charger says. */
  readonly phases?: number
  readonly clock: Pick<Clock, 'monotonicMs'>
  /** Whole poll and connect limits; tests shorten them. */
  readonly timeoutMs?: number
  readonly connectTimeoutMs?: number
}

export type ChargerDriver = (options: ChargerOptions) => Charger

/**
 * Why a poll gave nothing.
 * `timeout`: no complete answer in time. `refused`: nobody listens there, or the host cannot be reached.
 * `forbidden`: the key is wrong. `wrong_api`: somebody answers who does not speak this API.
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
