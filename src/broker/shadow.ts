// The shadow: the newest committed value of every topic, by charger and name. Retained messages are served from it.
// It only moves forward in SamplingTime (of equal times the first value stays). It holds nothing that is not committed,
// but for presence, which the broker publishes itself.

import type { Newest, Payload } from '../model/server/admission.ts'
import { encodeEnvelope } from '../model/wire/envelope.ts'
import { topicOf, topicRoot } from '../model/wire/topics.ts'

/** Live: it moves forward in place. */
export interface ShadowEntry {
  readonly timeUs: number
  /** Canonical JSON. */
  readonly payload: string
}

/**
 * How a topic moved forward. This server committed the value, or presented a charger. Another server told it (`heard`),
 * or it came with a message of another server before that server's shadow told it (`relayed`). Or it was in the
 * database, and no server had told it (`loaded`).
 */
export type Mover = 'committed' | 'presented' | 'heard' | 'relayed' | 'loaded'

export type ShadowWatcher = (topic: string, entry: ShadowEntry, mover: Mover) => void

class Entry implements ShadowEntry {
  timeUs: number
  #payload: Payload

  constructor(timeUs: number, payload: Payload) {
    this.timeUs = timeUs
    this.#payload = payload
  }

  get payload(): string {
    if (typeof this.#payload === 'number') {
      this.#payload = encodeEnvelope({ timeUs: this.timeUs, value: this.#payload })
    }
    return this.#payload
  }

  move(timeUs: number, payload: Payload): void {
    this.timeUs = timeUs
    this.#payload = payload
  }
}

export class Shadow {
  readonly #chargers = new Map<string, Map<string, ShadowEntry>>()
  /**
   * The same entries by topic. The profile that pays for both maps: two look-ups and a new entry for each message were
   * 5 % of the main thread.
   */
  readonly #entries = new Map<string, Entry>()
  readonly #watchers: ShadowWatcher[] = []

  /** By charger, then name: all of it, live. */
  get byCharger(): ReadonlyMap<string, ReadonlyMap<string, ShadowEntry>> {
    return this.#chargers
  }

  /**
   * `watcher` is called for each topic that moves forward from now on. Watchers are called in the order in which they
   * came.
   */
  watch(watcher: ShadowWatcher): void {
    this.#watchers.push(watcher)
  }

  /**
   * Takes over what is newer and tells the watchers. Committed values come after the acknowledgements of their batch.
   */
  advance({ topics, timesUs, payloads }: Newest, mover: Mover): void {
    topics.forEach((topic, i) => {
      this.move(topic, timesUs[i]!, payloads[i]!, mover)
    })
  }

  /** Takes over one value if it is newer: then tells the watchers and returns it. */
  move(topic: string, timeUs: number, payload: Payload, mover: Mover): ShadowEntry | undefined {
    const entry = this.#set(topic, timeUs, payload)
    if (entry !== undefined) for (const watcher of this.#watchers) watcher(topic, entry, mover)
    return entry
  }

  get(topic: string): ShadowEntry | undefined {
    return this.#entries.get(topic)
  }

  get chargers(): Iterable<string> {
    return this.#chargers.keys()
  }

  get chargersCount(): number {
    return this.#chargers.size
  }

  /** By name; undefined for a charger that nothing is known of. */
  valuesOf(charger: string): ReadonlyMap<string, ShadowEntry> | undefined {
    return this.#chargers.get(charger)
  }

  /** All entries whose topic matches an MQTT topic filter. */
  *match(filter: string): Generator<{ topic: string; payload: string }> {
    const pattern = patternOf(filter)
    if (pattern === undefined) return
    const { charger, name } = pattern
    for (const [chargerName, values] of select(this.#chargers, charger)) {
      for (const [valueName, { payload }] of select(values, name))
        yield { topic: topicOf(chargerName, valueName), payload }
    }
  }

  #set(topic: string, timeUs: number, payload: Payload): ShadowEntry | undefined {
    const known = this.#entries.get(topic)
    if (known === undefined) return this.#add(topic, new Entry(timeUs, payload))
    if (known.timeUs >= timeUs) return undefined
    known.move(timeUs, payload)
    return known
  }

  #add(topic: string, entry: Entry): ShadowEntry {
    const slash = topic.indexOf('/', topicRoot.length)
    const charger = topic.slice(topicRoot.length, slash)
    let values = this.#chargers.get(charger)
    if (values === undefined) {
      values = new Map()
      this.#chargers.set(charger, values)
    }
    values.set(topic.slice(slash + 1), entry)
    this.#entries.set(topic, entry)
    return entry
  }
}

/** Whether an MQTT topic filter matches the topic of this value. */
export function covers(filter: string, charger: string, name: string): boolean {
  const pattern = patternOf(filter)
  if (pattern === undefined) return false
  return (pattern.charger === '+' || pattern.charger === charger) && (pattern.name === '+' || pattern.name === name)
}

/** The filter's second and third level, `+` for any; undefined when no topic of three levels under the root matches. */
function patternOf(filter: string): { charger: string; name: string } | undefined {
  const levels = filter.split('/')
  const many = levels.at(-1) === '#'
  if (many) levels.pop()
  if (levels.length > 3 || (levels.length < 3 && !many)) return undefined
  const [root = '+', charger = '+', name = '+'] = levels
  return root === '+' || `${root}/` === topicRoot ? { charger, name } : undefined
}

function* select<T>(map: ReadonlyMap<string, T>, key: string): Generator<[string, T]> {
  if (key === '+') yield* map
  else {
    const value = map.get(key)
    if (value !== undefined) yield [key, value]
  }
}
