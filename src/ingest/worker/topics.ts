// The topics of a worker's batches, each parsed once, and the rows of each charger in the current batch. Pure. A batch
// has thousands of messages of few topics, and a charger repeats its topics in the same order at every poll. So the
// topic that last followed the current one is tried first, by its bytes. A profile justifies this: making a string of
// every topic and looking it up took a fifth of the CPU of a worker.

import { threadId } from 'node:worker_threads'
import { valueSpecs } from '../../model/wire/chargerState.ts'
import { topicRoot } from '../../model/wire/topics.ts'
import type { Records } from '../batch.ts'
import type { NumberedTopics } from '../toldTopics.ts'
import { isAt, type Words, wordsOf } from './byteText.ts'
import { topicsKeptMax } from './limits.ts'
import { Row } from './row.ts'

/**
 * The rows of one charger in the current batch. They nearly always come in order. Only rows out of order are looked up.
 */
class ChargerRows {
  readonly charger: string
  readonly #rows: Row[] = []
  #byTime: Map<number, Row> | undefined
  #last: Row | undefined
  #newestUs = Number.NEGATIVE_INFINITY

  constructor(charger: string) {
    this.charger = charger
  }

  get isEmpty(): boolean {
    return this.#rows.length === 0
  }

  /**
   * The row of this time. Undefined when there is no such row yet. The last row is tried first, because the values of a
   * poll come one after the other.
   */
  at(timeUs: number): Row | undefined {
    if (this.#last?.timeUs === timeUs) return this.#last
    if (timeUs > this.#newestUs) return undefined
    this.#byTime ??= new Map(this.#rows.map(row => [row.timeUs, row]))
    return this.#byTime.get(timeUs)
  }

  add(row: Row): void {
    this.#rows.push(row)
    this.#byTime?.set(row.timeUs, row)
    this.#last = row
    if (row.timeUs > this.#newestUs) this.#newestUs = row.timeUs
  }

  clear(): void {
    this.#rows.length = 0
    this.#byTime = undefined
    this.#last = undefined
    this.#newestUs = Number.NEGATIVE_INFINITY
  }
}

/** A parsed topic. */
export class Topic {
  readonly topic: string
  readonly name: string
  /** Undefined for a name that the contract does not know. */
  readonly column: number | undefined
  readonly charger: ChargerRows
  /** The time and the place of the newest message. The search for the newest messages sets and resets them. */
  newestUs = Number.NEGATIVE_INFINITY
  newestAt = -1
  /** The number under which the main thread knows this topic. Negative until the topic is sent. */
  number = -1
  readonly words: Words
  /** The topic that last followed this one. */
  next: Topic | undefined

  constructor(topic: string, name: string, charger: ChargerRows) {
    this.topic = topic
    this.name = name
    this.column = columns.get(name)
    this.charger = charger
    this.words = wordsOf(topic)
  }

  forgetNewest(): void {
    this.newestUs = Number.NEGATIVE_INFINITY
    this.newestAt = -1
  }
}

const columns = new Map<string, number>(valueSpecs.map(({ name }, column) => [name, column]))
export const knownNames = [...columns.keys()].join(', ')

export class Topics {
  readonly #topics = new Map<string, Topic>()
  readonly #chargers = new Map<string, ChargerRows>()
  /** The chargers with rows in this batch. */
  readonly #filled: ChargerRows[] = []
  #table = 0
  #told = 0
  #last: Topic | undefined

  /** Forgets the rows of the previous batch. Forgets all topics when they have become too many to keep. */
  begin(): void {
    for (const charger of this.#filled) charger.clear()
    this.#filled.length = 0
    if (this.#topics.size < topicsKeptMax) return
    this.#topics.clear()
    this.#chargers.clear()
    this.#last = undefined
    this.#table++
    this.#told = 0
  }

  /**
   * The topic of the current record. Admitted topics are ASCII, because the patterns of the names allow nothing else.
   */
  of({ bytes, view, topicAt, topicEnd }: Records): Topic {
    const last = this.#last
    let topic = last?.next
    if (topic === undefined || topic.words.length !== topicEnd - topicAt || !isAt(view, topicAt, topic.words)) {
      topic = this.named(bytes.toString('latin1', topicAt, topicEnd))
      if (last !== undefined) last.next = topic
    }
    this.#last = topic
    return topic
  }

  /** The topic with this text. */
  named(text: string): Topic {
    let topic = this.#topics.get(text)
    if (topic === undefined) {
      topic = this.#takeApart(text)
      this.#topics.set(text, topic)
    }
    return topic
  }

  /**
   * The topics as numbers for the main thread. The main thread must receive every answer, because an answer has only
   * the new texts.
   */
  tell(topics: readonly Topic[]): NumberedTopics {
    const added: string[] = []
    const numbers = Uint32Array.from(topics, topic => {
      if (topic.number < 0) {
        topic.number = this.#told++
        added.push(topic.topic)
      }
      return topic.number
    })
    return { thread: threadId, table: this.#table, numbers, added }
  }

  /** The row of this charger and time. A new row is added to `rows`. */
  row(rows: Row[], charger: ChargerRows, timeUs: number): Row {
    let row = charger.at(timeUs)
    if (row !== undefined) return row
    row = new Row(charger.charger, timeUs)
    if (charger.isEmpty) this.#filled.push(charger)
    charger.add(row)
    rows.push(row)
    return row
  }

  #takeApart(topic: string): Topic {
    const slash = topic.indexOf('/', topicRoot.length)
    const name = topic.slice(topicRoot.length, slash)
    let charger = this.#chargers.get(name)
    if (charger === undefined) {
      charger = new ChargerRows(name)
      this.#chargers.set(name, charger)
    }
    return new Topic(topic, topic.slice(slash + 1), charger)
  }
}
