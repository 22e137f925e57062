// What one connection sends, in which order: first the current state of all chargers, then whatever is appended from now
// on, and between that the backlog, oldest first. Reads the spool in pages, so that a backlog of weeks needs no memory.
// Decides nothing about when: the publisher asks for the next parcel that fits into its window.

import type { ChargerValues } from '../model/chargerState.ts'
import { encodeEnvelope } from '../model/envelope.ts'
import { topicOf } from '../model/topics.ts'
import type { KnownValues } from './diff.ts'
import type { Spool, SpooledSample } from './spool.ts'

/** Messages that belong together and leave in one write. */
export interface Parcel {
  /** What an acknowledgement of all messages settles; none for the current state. */
  readonly seq?: number
  readonly messages: readonly Message[]
  /** The server keeps it as the current value: only for what is current. */
  readonly retain: boolean
  /** It was, or may have been, sent before. */
  readonly dup: boolean
}

export interface Message {
  readonly topic: string
  readonly payload: string
}

export interface ChargerNow {
  readonly charger: string
  readonly known: KnownValues
}

export type FeedSpool = Pick<Spool, 'page' | 'newestSeq'>

const pageSamples = 128

export class Feed {
  readonly #current: Parcel[]
  readonly #live: Cursor
  readonly #backlog: Cursor
  readonly #mayPublish: (charger: string) => boolean

  /** `mayPublish`: a topic that the certificate does not allow would end the connection; such samples stay in the spool. */
  constructor(spool: FeedSpool, now: readonly ChargerNow[], mayPublish: (charger: string) => boolean) {
    this.#mayPublish = mayPublish
    this.#current = now.map(currentParcel).filter(({ messages }) => messages.length > 0)
    const connectedAt = spool.newestSeq
    this.#live = new Cursor(spool, connectedAt, () => spool.newestSeq)
    this.#backlog = new Cursor(spool, 0, () => connectedAt)
  }

  /** The next parcel if it has at most `room` messages. A parcel that does not fit is never overtaken by a later one. */
  next(room: number): Parcel | undefined {
    const current = this.#current[0]
    if (current !== undefined) return current.messages.length <= room ? this.#current.shift() : undefined
    const live = this.#peek(this.#live)
    if (live !== undefined) return this.#take(this.#live, live, room, true)
    const old = this.#peek(this.#backlog)
    return old && this.#take(this.#backlog, old, room, false)
  }

  #peek(cursor: Cursor): SpooledSample | undefined {
    for (let sample = cursor.peek(); sample !== undefined; sample = cursor.peek()) {
      if (this.#mayPublish(sample.charger)) return sample
      cursor.skip()
    }
    return undefined
  }

  #take(cursor: Cursor, sample: SpooledSample, room: number, retain: boolean): Parcel | undefined {
    const messages = messagesOf(sample.charger, sample.timeMs, sample.values)
    if (messages.length > room) return undefined
    cursor.skip()
    return { seq: sample.seq, messages, retain, dup: sample.sentBefore }
  }
}

/** A place in the spool that moves forward. */
class Cursor {
  readonly #spool: FeedSpool
  readonly #through: () => number
  #after: number
  #page: readonly SpooledSample[] = []
  #index = 0

  constructor(spool: FeedSpool, after: number, through: () => number) {
    this.#spool = spool
    this.#after = after
    this.#through = through
  }

  peek(): SpooledSample | undefined {
    if (this.#index < this.#page.length) return this.#page[this.#index]
    const through = this.#through()
    if (this.#after >= through) return undefined
    this.#page = this.#spool.page(this.#after, through, pageSamples)
    this.#index = 0
    // An empty page: all up to here was acknowledged or dropped.
    this.#after = this.#page.at(-1)?.seq ?? through
    return this.#page[0]
  }

  skip(): void {
    this.#index++
  }
}

const currentParcel = ({ charger, known }: ChargerNow): Parcel => ({
  messages: Object.entries(known).map(([name, { value, timeMs }]) => message(charger, name, timeMs, value)),
  retain: true,
  dup: true
})

const messagesOf = (charger: string, timeMs: number, values: Readonly<Partial<ChargerValues>>): Message[] =>
  Object.entries(values).map(([name, value]) => message(charger, name, timeMs, value))

const message = (charger: string, name: string, timeMs: number, value: number | string): Message => ({
  topic: topicOf(charger, name),
  payload: encodeEnvelope({ timeUs: timeMs * 1000, value })
})
