// What a connection sends, and in which order: first the current state of all chargers, then new samples as they are
// appended, and between them the backlog, oldest first. It reads the spool in pages: a backlog of weeks needs no
// memory. The publisher decides when: it asks for the next parcel that fits into its window.

import type { ChargerValues } from '../../model/wire/chargerState.ts'
import { encodeEnvelope } from '../../model/wire/envelope.ts'
import { topicOf } from '../../model/wire/topics.ts'
import type { KnownValues } from '../diff.ts'
import type { Spool, SpooledSample } from '../spool/spool.ts'

/** Messages that belong together and leave in one write. */
export interface Parcel {
  /** The sample that is settled when all messages are acknowledged; none for the current state and for statuses. */
  readonly seq?: number
  readonly messages: readonly Message[]
  /** The server keeps the messages as current values: only for the newest values. */
  readonly retain: boolean
  /** The messages were, or may have been, sent before. */
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
  /** True if an earlier process may have sent this sample: a killed process leaves no mark. */
  readonly mayHaveBeenSent: (seq: number) => boolean
  /** The next EdgeStatus to send, one message at a time; undefined if there is none. */
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
   * From now on feeds the chargers that `owns` names, beginning with their state `now`. Add no charger twice. Samples
   * that nobody owns stay in the spool: a topic that the certificate does not allow would end the connection.
   */
  add(now: readonly ChargerNow[], owns: (charger: string) => boolean): void {
    const { spool } = this.#options
    const newestSeq = spool.newestSeq
    const own = now.filter(({ charger }) => owns(charger))
    this.#current.push(...own.map(currentParcel).filter(({ messages }) => messages.length > 0))
    this.#live.push(new Cursor(spool, owns, newestSeq, () => spool.newestSeq))
    this.#backlog.push(new Cursor(spool, owns, 0, () => newestSeq))
  }

  /** The next parcel, if it has at most `room` messages. A later parcel never overtakes one that does not fit. */
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

  /** The sample at this place; undefined at the end. */
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
    // After an empty page all samples up to here were acknowledged or dropped.
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
