// The connection of a check to the server, beside that of a running edge, with its own client id. It hears what the
// server has of the chargers, and its time. It publishes once, and waits for the acknowledgement and for its own
// values to be current: an acknowledgement alone may also mean that they were rejected.

import { createSecureContext } from 'node:tls'
import { valueNames } from '../model/wire/chargerState.ts'
import { connectionName, parseTopic, topicOf } from '../model/wire/topics.ts'
import type { EdgeConfig } from './config.ts'
import { type Heard, readHeard } from './uplink/ask.ts'
import { Connection, type Mqtt } from './uplink/connection.ts'
import type { Message, Parcel } from './uplink/feed.ts'
import { answerTimeoutMs, retainedGraceMs } from './uplink/limits.ts'
import type { AcceptsEarly } from './uplink/serverCheck.ts'

/** Why there is no connection; see reasons.ts. */
export interface Lost {
  readonly reason: string
  readonly attempt: number
}

export interface Published {
  /** ms until the last PUBACK; undefined if one did not come. */
  readonly ackMs?: number
  /** The server shows one of the values, or a newer one. */
  readonly isCurrent: boolean
  /** Why the connection ended meanwhile, if it did. */
  readonly lost?: string
}

const attempts = 2
/** True for faults of a weak network: they deserve a second attempt. */
const isPassing = (reason: string): boolean => /timeout|ETIMEDOUT|ECONNRESET|EAI_AGAIN|EPIPE/.test(reason)

export class CheckLine {
  readonly attempt: number
  #connectMs = 0
  readonly #connection: Connection
  readonly #heard = new Map<string, Heard>()
  readonly #waiting = new Set<() => void>()
  #delivered: Parcel | undefined
  #lost: string | undefined

  private constructor(
    config: EdgeConfig,
    mqtt: Mqtt,
    acceptsEarly: AcceptsEarly | undefined,
    attempt: number,
    onEnd: (reason?: string) => void
  ) {
    const startedMs = performance.now()
    this.attempt = attempt
    this.#connection = new Connection({
      mqtt,
      broker: config.broker,
      // Not the CN alone: the server would close the connection of a running edge.
      identity: `${config.identity}:check-${process.pid}`,
      secureContext: createSecureContext({ ...config.tls, minVersion: 'TLSv1.2' }),
      acceptsEarly,
      onSession: () => {},
      onConnected: () => {
        this.#connectMs = Math.round(performance.now() - startedMs)
        onEnd()
      },
      onDelivered: parcel => {
        this.#delivered = parcel
        this.#look()
      },
      onMessage: (topic, payload) => {
        const heard = readHeard(payload)
        if (heard !== undefined) this.#heard.set(topic, heard)
        this.#look()
      },
      onRoom: () => {},
      onOver: reason => {
        this.#lost = reason
        this.#look()
        onEnd(reason)
      }
    })
  }

  /** ms from the look-up of the name to CONNACK. */
  get connectMs(): number {
    return this.#connectMs
  }

  /** Tries twice if the network is weak. */
  static async open(config: EdgeConfig, acceptsEarly: AcceptsEarly | undefined): Promise<CheckLine | Lost> {
    const mqtt = await import('mqtt')
    for (let attempt = 1; ; attempt++) {
      const { line, reason } = await new Promise<{ line: CheckLine; reason: string | undefined }>(resolve => {
        const line = new CheckLine(config, mqtt, acceptsEarly, attempt, reason => resolve({ line, reason }))
      })
      if (reason === undefined) return line
      if (attempt === attempts || !isPassing(reason)) return { reason, attempt }
    }
  }

  /** Hears the retained values of these chargers, and then the server's time from its copy of `own` Connection. */
  async listen(
    chargers: readonly string[],
    own: string
  ): Promise<{ serverMs: number; roundTripMs: number } | 'silent' | 'refused'> {
    try {
      await this.#connection.subscribe(chargers.flatMap(charger => valueNames.map(name => topicOf(charger, name))))
      const askedMs = performance.now()
      const topics = [...new Set([own, ...chargers])].map(charger => topicOf(charger, connectionName))
      await this.#connection.subscribe(topics)
      const isAnswered = await this.#within(answerTimeoutMs, () => this.#heard.has(topics[0]!))
      const roundTripMs = performance.now() - askedMs
      if (!isAnswered) return 'silent'
      await this.#within(retainedGraceMs, () => topics.every(topic => this.#heard.has(topic)))
      return { serverMs: this.#heard.get(topics[0]!)!.timeMs, roundTripMs }
    } catch {
      return 'refused'
    }
  }

  /** True if an edge of this charger is connected. */
  isOnline(charger: string): boolean {
    return this.#heard.get(topicOf(charger, connectionName))?.value === 'online'
  }

  /** The values that the server has of a charger. */
  valuesOf(charger: string): ReadonlyMap<string, unknown> {
    return new Map(
      [...this.#heard].flatMap(([topic, { value }]) => {
        const parsed = parseTopic(topic)
        return parsed?.charger === charger ? [[parsed.name, value]] : []
      })
    )
  }

  async publish(messages: readonly Message[], ackTimeoutMs: number): Promise<Published> {
    const parcel: Parcel = { messages, retain: true, dup: false }
    const sentMs = performance.now()
    if (this.#lost === undefined) this.#connection.send([parcel])
    await this.#within(ackTimeoutMs, () => this.#delivered === parcel || this.#lost !== undefined)
    if (this.#delivered !== parcel) {
      return { isCurrent: false, ...(this.#lost === undefined ? {} : { lost: this.#lost }) }
    }
    const ackMs = Math.round(performance.now() - sentMs)
    const isCurrent = await this.#within(answerTimeoutMs, () => messages.some(message => this.#shows(message)))
    return { ackMs, isCurrent }
  }

  async close(): Promise<void> {
    this.#connection.end()
    await this.#within(answerTimeoutMs, () => this.#lost !== undefined)
  }

  #shows({ topic, payload }: Message): boolean {
    const sent = readHeard(Buffer.from(payload))!
    const heard = this.#heard.get(topic)
    return heard !== undefined && heard.timeMs >= sent.timeMs
  }

  /** Checks the condition whenever something happens. */
  #within(ms: number, isDone: () => boolean): Promise<boolean> {
    return new Promise(resolve => {
      const end = (): void => {
        clearTimeout(timer)
        this.#waiting.delete(look)
        resolve(isDone())
      }
      const look = (): void => {
        if (isDone()) end()
      }
      const timer = setTimeout(end, ms)
      this.#waiting.add(look)
      look()
    })
  }

  #look(): void {
    for (const look of [...this.#waiting]) look()
  }
}
