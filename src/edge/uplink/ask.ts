// What the edge asks the server: the time, and, for chargers that this disk does not know (a new Pi, a dead SD card),
// their last stored energy. Both are retained messages. SUBSCRIBE asks for them, and UNSUBSCRIBE ends it, because
// every subscription costs the server work. `onRetained` comes only when the server has sent all that it has; garbage
// is ignored. One object per connection.

import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from 'pino'
import { RejectedError } from '../../model/errors.ts'
import { decodeObject, parseTime } from '../../model/wire/envelope.ts'
import { connectionName, parseTopic, topicOf } from '../../model/wire/topics.ts'
import type { Retained } from '../energy/seed.ts'
import {
  answerTimeoutMs,
  reconnectDelayMsMax,
  reconnectDelayMsMin,
  retainedGraceMs,
  serverTimeIntervalMs
} from './limits.ts'

export interface AskOptions {
  /** The server answers a subscription to this charger's `Connection` with a copy that has the current time. */
  readonly ownCharger: string
  /** Chargers of which nothing may be published before `onRetained` was called for them. */
  readonly wanted: readonly string[]
  /** The server's clock read `serverMs` at some moment of the last `roundTripMs`. */
  readonly onServerTime?: ((serverMs: number, roundTripMs: number) => void) | undefined
  /** Called once per charger; again after a pause if it throws. */
  readonly onRetained: (charger: string, retained: Retained) => void
  /** `onRetained` was called for all of `wanted`. */
  readonly onDecided: () => void
  readonly log: Logger
  /** For tests, in ms. */
  readonly limits?: AskLimits | undefined
}

export interface AskLimits {
  readonly answer: number
  readonly grace: number
  readonly retry: number
}

/** The part of a connection that it needs. */
export interface Line {
  /** Resolves when all topics are granted; rejects when one is refused or the line is cut. */
  subscribe(topics: readonly string[]): Promise<void>
  unsubscribe(topics: readonly string[]): void
}

type HeardValues = Partial<Record<(typeof seedNames)[number], Heard>>
const seedNames = ['TotalEnergyConsumption', 'SessionEnergy', 'ConnectedVehicle'] as const

/*
 * The questions of one connection go through these steps.
 *
 * seeds   SUBSCRIBE to the three values of each wanted charger. When that is granted, SUBSCRIBE to the own Connection:
 *         its copy left the server after the first retained values, so when it is here, they are here, or come within a
 *         short grace. Then the answers are handed over, and the publisher may continue. Without an answer in time, or
 *         after a refusal, the step is repeated after a pause that doubles up to two minutes. The connection stays:
 *         other chargers continue meanwhile.
 * time    SUBSCRIBE to the own Connection, and again once an hour (the end of `seeds` has already told the time).
 *         A server that does not answer is asked again an hour later.
 */
export class Questions {
  readonly #line: Line
  readonly #options: AskOptions
  readonly #limits: AskLimits
  readonly #over = new AbortController()
  readonly #timeTopic: string
  /** The messages heard of each wanted charger. */
  readonly #heard: ReadonlyMap<string, HeardValues>
  #onHeard = () => {}
  /** When the time was asked for, by the monotonic clock; undefined after the answer. */
  #askedMs: number | undefined

  constructor(line: Line, options: AskOptions) {
    this.#line = line
    this.#options = options
    this.#limits = options.limits ?? { answer: answerTimeoutMs, grace: retainedGraceMs, retry: reconnectDelayMsMin }
    this.#timeTopic = topicOf(options.ownCharger, connectionName)
    this.#heard = new Map(options.wanted.map(charger => [charger, {}]))
  }

  /** Asks until the connection is over. */
  async ask(): Promise<void> {
    try {
      const { onServerTime } = this.#options
      const timeIsKnown = await this.#askSeeds()
      if (!timeIsKnown && onServerTime) await this.#askTime()
      while (onServerTime) {
        await this.#pause(serverTimeIntervalMs)
        await this.#askTime()
      }
    } catch (error) {
      if (!this.#over.signal.aborted)
        this.#options.log.error({ event: 'ask_failed', err: error }, 'cannot ask the server')
    }
  }

  /** A message of the server. */
  hear(topic: string, payload: Buffer, retained: boolean): void {
    // The answer to SUBSCRIBE is retained [MQTT-3.3.1-8]; new messages are of no use here.
    if (!retained) return
    const message = readHeard(payload)
    if (message === undefined) return
    if (topic === this.#timeTopic) this.#hearTime(message)
    else this.#hearSeed(topic, message)
  }

  /** The connection is over. */
  close(): void {
    this.#over.abort()
    this.#onHeard()
  }

  /** True if seeds were asked for: then the server has also told its time. */
  async #askSeeds(): Promise<boolean> {
    const { wanted, onDecided, log } = this.#options
    if (wanted.length === 0) return false
    const undecided = new Set(wanted)
    for (let pauseMs = this.#limits.retry; !((await this.#seedsAnswered()) && this.#handOver(undecided)); ) {
      log.warn(
        { event: 'seed_unanswered', chargers: [...undecided], retryInMs: pauseMs },
        'the server does not tell the lifetime energy of these chargers: their samples wait on this disk'
      )
      await this.#pause(pauseMs)
      pauseMs = Math.min(2 * pauseMs, reconnectDelayMsMax)
    }
    onDecided()
    return true
  }

  /** Hands over the answers, and removes those chargers from the set. True if none is left. */
  #handOver(undecided: Set<string>): boolean {
    for (const charger of undecided) {
      const retained = retainedOf(this.#heard.get(charger)!)
      if (this.#tries(() => this.#options.onRetained(charger, retained))) undecided.delete(charger)
    }
    return undecided.size === 0
  }

  /** The callback writes to a disk, and a disk may fail. */
  #tries(work: () => void): boolean {
    try {
      work()
      return true
    } catch (error) {
      this.#options.log.error({ event: 'answer_unused', err: error }, "the server's answer could not be used")
      return false
    }
  }

  async #seedsAnswered(): Promise<boolean> {
    const topics = this.#options.wanted.flatMap(charger => seedNames.map(name => topicOf(charger, name)))
    try {
      const isGranted = await this.#granted(topics)
      // Always: the time is useful without the seeds.
      if (!(await this.#askTime()) || !isGranted) return false
      await this.#waitForSeeds()
      return true
    } finally {
      this.#line.unsubscribe(topics)
    }
  }

  async #waitForSeeds(): Promise<void> {
    const isComplete = () =>
      [...this.#heard.values()].every(heard => seedNames.every(name => heard[name] !== undefined))
    await this.#heardWithin(this.#limits.grace, isComplete)
  }

  /** True if the server has told its time. */
  async #askTime(): Promise<boolean> {
    this.#askedMs = performance.now()
    try {
      if (!(await this.#granted([this.#timeTopic]))) return false
      return await this.#heardWithin(this.#limits.answer, () => this.#askedMs === undefined)
    } finally {
      this.#askedMs = undefined
      this.#line.unsubscribe([this.#timeTopic])
    }
  }

  #hearTime({ timeMs, value }: Heard): void {
    if (this.#askedMs === undefined || (value !== 'online' && value !== 'offline')) return
    const roundTripMs = performance.now() - this.#askedMs
    this.#askedMs = undefined
    this.#tries(() => this.#options.onServerTime?.(timeMs, roundTripMs))
    this.#onHeard()
  }

  #hearSeed(topic: string, message: Heard): void {
    const { charger = '', name = '' } = parseTopic(topic) ?? {}
    const heard = this.#heard.get(charger)
    const seedName = seedNames.find(known => known === name)
    if (heard === undefined || seedName === undefined) return
    heard[seedName] = message
    this.#onHeard()
  }

  /** False if it is refused or not answered in time. */
  async #granted(topics: readonly string[]): Promise<boolean> {
    const granted = this.#line.subscribe(topics).then(
      () => true,
      () => false
    )
    const timeout = new AbortController()
    const signal = AbortSignal.any([timeout.signal, this.#over.signal])
    try {
      return await Promise.race([granted, delay(this.#limits.answer, false, { signal, ref: false })])
    } finally {
      timeout.abort()
    }
  }

  /** Checks the condition whenever a message is heard; false if it does not hold in time. */
  async #heardWithin(ms: number, isDone: () => boolean): Promise<boolean> {
    await new Promise<void>(resolve => {
      const timer = setTimeout(resolve, ms).unref()
      this.#onHeard = () => {
        if (!isDone() && !this.#over.signal.aborted) return
        clearTimeout(timer)
        resolve()
      }
      this.#onHeard()
    })
    this.#onHeard = () => {}
    this.#over.signal.throwIfAborted()
    return isDone()
  }

  #pause(ms: number): Promise<void> {
    return delay(ms, undefined, { signal: this.#over.signal, ref: false })
  }
}

export interface Heard {
  readonly timeMs: number
  readonly value: unknown
}

/** Undefined for a payload that is no message of the contract. */
export function readHeard(payload: Buffer): Heard | undefined {
  try {
    const { SamplingTime, Value } = decodeObject(payload)
    const timeUs = typeof SamplingTime === 'string' ? parseTime(SamplingTime) : undefined
    return timeUs === undefined ? undefined : { timeMs: timeUs / 1000, value: Value }
  } catch (error) {
    if (error instanceof RejectedError) return undefined
    throw error
  }
}

function retainedOf(heard: HeardValues): Retained {
  const { TotalEnergyConsumption: total, SessionEnergy: session, ConnectedVehicle: card } = heard
  return {
    ...(isEnergy(total?.value) ? { totalWh: total.value, totalTimeMs: total.timeMs } : {}),
    ...(isEnergy(session?.value) ? { sessionWh: session.value } : {}),
    ...(typeof card?.value === 'string' ? { card: card.value } : {})
  }
}

const isEnergy = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value) && value >= 0
