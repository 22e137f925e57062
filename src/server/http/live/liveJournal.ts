// What the live feed remembers: the newest event of each topic, in the order of their numbers. A listener that was
// away, or is slow, gets what it has not received, coalesced, and memory is bounded by the topics. Pure. The text of an
// event is made here once, and where a card id is in it a second time without.

import { randomBytes } from 'node:crypto'
import { connectionName, edgeStatusName, topicRoot } from '../../../model/wire/topics.ts'
import { maskedCard } from '../../access/mask.ts'

export const liveKinds = ['reading', 'connection', 'status'] as const
export type LiveKind = (typeof liveKinds)[number]

export interface LiveEntry {
  /** Number of the event that told it. One event has one kind, and many entries. */
  readonly number: number
  readonly kind: LiveKind
  readonly charger: string
  readonly json: string
  /** For callers that may not see card ids. The same text where there is no card id. */
  readonly masked: string
}

export class LiveJournal {
  /** Numbers of another epoch mean nothing here. */
  readonly epoch = randomBytes(6).toString('base64url')
  readonly #topicsMax: number
  readonly #entries = new Map<string, LiveEntry>()
  #number = 0
  /** Events up to this one may be forgotten. */
  #floor = 0

  constructor(topicsMax: number) {
    this.#topicsMax = topicsMax
  }

  /** Of the newest event. */
  get number(): number {
    return this.#number
  }

  /** Takes over the newest payload of each topic. Returns the entries of one event for each kind that occurs. */
  add(payloads: Iterable<readonly [topic: string, payload: string]>): LiveEntry[][] {
    const byKind: (readonly [topic: string, payload: string])[][] = liveKinds.map(() => [])
    for (const entry of payloads) byKind[kindAt(entry[0])]!.push(entry)
    const events = byKind.flatMap((entries, at) => (entries.length > 0 ? [this.#event(liveKinds[at]!, entries)] : []))
    this.#makeRoom()
    return events
  }

  /**
   * Entries newer than `number`: at least `atLeast` where there are as many, and always all entries of the last event.
   */
  since(number: number, atLeast: number): LiveEntry[] {
    const newer: LiveEntry[] = []
    for (const entry of this.#entries.values()) {
      if (entry.number <= number) continue
      if (newer.length >= atLeast && entry.number !== newer.at(-1)!.number) break
      newer.push(entry)
    }
    return newer
  }

  /** Whether everything after this event is known. */
  reaches(number: number): boolean {
    return number >= this.#floor && number <= this.#number
  }

  idOf(number: number): string {
    return `${this.epoch}.${number}`
  }

  /** The number of an event id. Undefined when a listener cannot go on from it. */
  numberOf(id: string): number | undefined {
    const [epoch, digits = ''] = id.split('.')
    const number = /^\d{1,15}$/.test(digits) ? Number(digits) : Number.NaN
    return epoch === this.epoch && this.reaches(number) ? number : undefined
  }

  #event(kind: LiveKind, payloads: readonly (readonly [topic: string, payload: string])[]): LiveEntry[] {
    this.#number++
    return payloads.map(([topic, payload]) => {
      const entry = { number: this.#number, kind, ...textsOf(kind, topic, payload) }
      this.#entries.delete(topic) // so that the newest come last
      this.#entries.set(topic, entry)
      return entry
    })
  }

  #makeRoom(): void {
    for (const [topic, { number }] of this.#entries) {
      if (this.#entries.size <= this.#topicsMax) return
      this.#floor = number
      this.#entries.delete(topic)
    }
  }
}

/** One server-sent event. */
export function eventText(entries: readonly LiveEntry[], id: string, mayReadCards: boolean): string {
  const items = entries.map(({ json, masked }) => (mayReadCards ? json : masked))
  return `id: ${id}\nevent: ${entries[0]!.kind}\ndata: [${items.join(',')}]\n\n`
}

function kindAt(topic: string): number {
  if (topic.endsWith(connectionSuffix)) return 1
  return topic.endsWith(statusSuffix) ? 2 : 0
}
const connectionSuffix = `/${connectionName}`
const statusSuffix = `/${edgeStatusName}`

/**
 * The payloads are canonical (`encodeEnvelope`) and names need no escape, so the text is cut and put together without
 * parsing. An EdgeStatus is any JSON object in one line.
 */
function textsOf(kind: LiveKind, topic: string, payload: string): Omit<LiveEntry, 'number' | 'kind'> {
  const slash = topic.indexOf('/', topicRoot.length)
  const charger = topic.slice(topicRoot.length, slash)
  if (kind === 'status') return same(charger, `{"charger":"${charger}","status":${payload}}`)
  const { time, value } = partsOf(payload)
  if (kind === 'connection') return same(charger, `{"charger":"${charger}","state":${value},"since":"${time}"}`)
  const name = topic.slice(slash + 1)
  const head = `{"charger":"${charger}","name":"${name}","time":"${time}","value":`
  const json = `${head}${value}}`
  if (name !== 'ConnectedVehicle' || value === '""') return same(charger, json)
  return { charger, json, masked: `${head}"${maskedCard}"}` }
}

const same = (charger: string, json: string): Omit<LiveEntry, 'number' | 'kind'> => ({ charger, json, masked: json })

/** Time and value, as JSON, of a canonical payload. */
export function partsOf(payload: string): { time: string; value: string } {
  const end = payload.indexOf('"', timeAt)
  return { time: payload.slice(timeAt, end), value: payload.slice(end + valueOffset, -1) }
}
const timeAt = '{"SamplingTime":"'.length
const valueOffset = '","Value":'.length
