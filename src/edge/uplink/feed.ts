// What a connection sends, and in which order: first what is current of all chargers, then whatever is appended from
// now on, and between that the backlog, oldest first. Reads the spool in pages, so that a backlog of weeks needs no
// memory. Decides nothing about when: the publisher asks for the next parcel that fits into its window.

import type { ChargerValues } from '../../model/wire/chargerState.ts'
import { encodeEnvelope } from '../../model/wire/envelope.ts'
import { topicOf } from '../../model/wire/topics.ts'
import type { KnownValues } from '../diff.ts'
import type { Spool, SpooledSample } from '../spool/spool.ts'

/** Messages that belong together and leave in one write. */
export interface Parcel {
  /** What an acknowledgement of all messages settles; none for the current state and for statuses. */
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

export interface FeedOptions {
  readonly spool: FeedSpool
  /** An earlier process may have sent this sample: it leaves no mark when it is killed. */
  readonly mayHaveBeenSent: (seq: number) => boolean
  /** What the edge tells about itself, one message at a time; undefined when that is told. */
  readonly nextStatus: () => Parcel | undefined
}

const pageSamples = 128

export class Feed {
  readonly #options: FeedOptions
  readonly #current: Parcel[] = []
  readonly #live: Cursor[] = []
  readonly #backlog: Cursor[] = []

  constructor(options: FeedOptions) {
    this.#options = options
  }

  /**
   * From now on the chargers that `owns` names are fed, beginning with what they are like `now`. No charger twice.
   * What nobody owns stays in the spool: a topic that the certificate does not allow would end the connection.
   */
  add(now: readonly ChargerNow[], owns: (charger: string) => boolean): void {
    const { spool } = this.#options
    const newestSeq = spool.newestSeq
    const own = now.filter(({ charger }) => owns(charger))
    this.#current.push(...own.map(currentParcel).filter(({ messages }) => messages.length > 0))
    this.#live.push(new Cursor(spool, owns, newestSeq, () => spool.newestSeq))
    this.#backlog.push(new Cursor(spool, owns, 0, () => newestSeq))
  }

  /**
   * The next parcel if it has at most `room` messages. A parcel that does not fit is never overtaken by a later one.
   */
  next(room: number): Parcel | undefined {
    const current = this.#current[0]
    if (current !== undefined) return current.messages.length <= room ? this.#current.shift() : undefined
    const status = room > 0 ? this.#options.nextStatus() : undefined
    if (status !== undefined) return status
    const live = this.#live.find(cursor => cursor.peek() !== undefined)
    const cursor = live ?? this.#backlog.find(cursor => cursor.peek() !== undefined)
    return cursor && this.#parcelAt(cursor, room, cursor === live)
  }

  #parcelAt(cursor: Cursor, room: number, retain: boolean): Parcel | undefined {
    const { seq, charger, timeMs, values, sentBefore } = cursor.peek()!
    const messages = messagesOf(charger, timeMs, values)
    if (messages.length > room) return undefined
    cursor.skip()
    return { seq, messages, retain, dup: sentBefore || this.#options.mayHaveBeenSent(seq) }
  }
}

/** A place in the spool that moves forward over the samples of some chargers. */
class Cursor {
  readonly #spool: FeedSpool
  readonly #owns: (charger: string) => boolean
  readonly #through: () => number
  #after: number
  #page: readonly SpooledSample[] = []
  #index = 0

  constructor(spool: FeedSpool, owns: (charger: string) => boolean, after: number, through: () => number) {
    this.#spool = spool
    this.#owns = owns
    this.#after = after
    this.#through = through
  }

  /** The sample at this place, undefined at the end. */
  peek(): SpooledSample | undefined {
    for (let sample = this.#read(); sample !== undefined; sample = this.#read()) {
      if (this.#owns(sample.charger)) return sample
      this.#index++
    }
    return undefined
  }

  skip(): void {
    this.#index++
  }

  #read(): SpooledSample | undefined {
    if (this.#index < this.#page.length) return this.#page[this.#index]
    const through = this.#through()
    if (this.#after >= through) return undefined
    this.#page = this.#spool.page(this.#after, through, pageSamples)
    this.#index = 0
    // An empty page: all up to here was acknowledged or dropped.
    this.#after = this.#page.at(-1)?.seq ?? through
    return this.#page[0]
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
