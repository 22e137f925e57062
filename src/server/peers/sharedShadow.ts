// The shadow that several servers share through Redis. Each server writes what it committed, coalesced to the newest
// value of a topic, ten times a second and under load twice. The newest SamplingTime wins, whichever server wrote it.
// The same write tells the other servers; a server that was away reads all of it again. While Redis is away the newest
// values wait here, bounded by the number of topics.

import { busChannel, type RedisLink } from '../../broker/redis/redisLink.ts'
import { runScript, scriptOf } from '../../broker/redis/redisQueue.ts'
import type { Shadow, ShadowEntry } from '../../broker/shadow.ts'
import type { Newest } from '../../model/server/admission.ts'
import { topicOf } from '../../model/wire/topics.ts'

const writeIntervalMs = 100
/**
 * After a write of more than 500 topics the next write waits longer, so that it holds each topic once instead of two or
 * three times: each entry costs building, sending and hearing. Measured with two processes and a saturating fleet of
 * 4,000 topics: 15.3 us of CPU per message for servers and database at 100 ms, 13.5 at 400.
 */
const writeIntervalMaxMs = 500
const writeEntriesPerMs = 5
/** Entries of one script, which Redis runs without a pause. */
const scriptEntriesMax = 1_000
/** Entries written at once after an outage, so few that Redis answers others in between. */
const writeEntriesMax = 20_000
const scanCount = 2_000
/** A cluster spreads the shadow over its nodes by charger. */
const clusterParts = 64

/**
 * Key: a hash from topic to "time in microseconds, tab, payload". Arguments: the head of the message, then lines of
 * topic, time and payload.
 */
const write = scriptOf(`
for topic, time, payload in string.gmatch(ARGV[2], '([^\\t]+)\\t(%d+)\\t([^\\n]+)\\n') do
  local known = redis.call('HGET', KEYS[1], topic)
  if not known or tonumber(string.match(known, '^%d+')) < tonumber(time) then
    redis.call('HSET', KEYS[1], topic, time .. '\\t' .. payload)
  end
end
redis.call('PUBLISH', ARGV[3], ARGV[1] .. ARGV[2])`)

export interface SharedShadowOptions {
  readonly link: RedisLink
  /** Watched for what this server moves forward; moved by what other servers tell. */
  readonly shadow: Shadow
}

export class SharedShadow {
  readonly #options: SharedShadowOptions
  readonly #parts: number
  /** By part. */
  readonly #dirty: Map<string, ShadowEntry>[]
  #timer: NodeJS.Timeout | undefined
  #writing: Promise<unknown> = Promise.resolve()

  constructor(options: SharedShadowOptions) {
    const { link, shadow } = options
    this.#options = options
    this.#parts = link.isCluster ? clusterParts : 1
    this.#dirty = Array.from({ length: this.#parts }, () => new Map())
    this.#writeIn(writeIntervalMs)
    shadow.watch((topic, entry, mover) => {
      if (mover !== 'heard' && mover !== 'relayed') this.note(topic, entry) // other servers have those already
    })
    link.on('shadow', body => shadow.advance(parseEntries(body), 'heard'))
    link.onBack(async hasForgotten => {
      if (hasForgotten) this.#noteAll()
      await this.load()
    })
  }

  /** For what this server moved forward. */
  note(topic: string, entry: ShadowEntry): void {
    this.#dirty[this.#parts === 1 ? 0 : partOf(topic)]!.set(topic, entry)
  }

  /** Reads the whole shadow from Redis. Rejects when Redis goes away. */
  async load(): Promise<void> {
    const { link, shadow } = this.#options
    for (let part = 0; part < this.#parts; part++) {
      let cursor = '0'
      do {
        const [next, fields] = await link.ask(redis => redis.hscan(keyOf(part), cursor, 'COUNT', scanCount))
        shadow.advance(parseFields(fields), 'heard')
        cursor = next
      } while (cursor !== '0')
    }
  }

  /** Writes the entries that wait, if Redis is there. */
  async close(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    await this.#writing
    await this.#write()
  }

  #writeIn(ms: number): void {
    this.#timer = setTimeout(async () => {
      const entries = await this.#write()
      // A shadow that was closed meanwhile has no timer.
      if (this.#timer)
        this.#writeIn(Math.min(writeIntervalMaxMs, Math.max(writeIntervalMs, entries / writeEntriesPerMs)))
    }, ms).unref()
  }

  #noteAll(): void {
    const { shadow } = this.#options
    for (const charger of shadow.chargers) {
      for (const [name, entry] of shadow.valuesOf(charger)!) this.note(topicOf(charger, name), entry)
    }
  }

  /** Returns how many entries were written. */
  async #write(): Promise<number> {
    if (!this.#options.link.isReachable) return 0
    let room = writeEntriesMax
    const writes: Promise<void>[] = []
    for (const [part, dirty] of this.#dirty.entries()) {
      while (dirty.size > 0 && room > 0) {
        const entries = takeFirst(dirty, Math.min(room, scriptEntriesMax))
        room -= entries.length
        writes.push(this.#writePart(part, entries))
      }
    }
    this.#writing = Promise.all(writes)
    await this.#writing
    return writeEntriesMax - room
  }

  async #writePart(part: number, entries: readonly (readonly [string, ShadowEntry])[]): Promise<void> {
    const { link } = this.#options
    let lines = ''
    for (const [topic, { timeUs, payload }] of entries) lines += `${topic}\t${timeUs}\t${payload}\n`
    try {
      await link.ask(redis => runScript(redis, write, [keyOf(part)], [link.headOf('shadow'), lines, busChannel]))
    } catch {
      const dirty = this.#dirty[part]!
      for (const [topic, entry] of entries) if (!dirty.has(topic)) dirty.set(topic, entry)
    }
  }
}

function takeFirst(dirty: Map<string, ShadowEntry>, count: number): (readonly [string, ShadowEntry])[] {
  const entries: (readonly [string, ShadowEntry])[] = []
  if (dirty.size <= count) {
    entries.push(...dirty)
    dirty.clear()
    return entries
  }
  for (const entry of dirty) {
    if (entries.length === count) break
    entries.push(entry)
    dirty.delete(entry[0])
  }
  return entries
}

interface Lists {
  readonly topics: string[]
  readonly times: number[]
  readonly payloads: string[]
}

/**
 * Lines of topic, time and payload. Each text is made separately: as a part of one large text, each entry that stays
 * would keep all of it in memory. Exported for its test.
 */
export function parseEntries(body: Buffer): Newest {
  const lists: Lists = { topics: [], times: [], payloads: [] }
  for (let at = 0; at < body.length; ) {
    const topicEnd = body.indexOf(tab, at)
    const timeEnd = topicEnd < 0 ? -1 : body.indexOf(tab, topicEnd + 1)
    const end = timeEnd < 0 ? -1 : body.indexOf(newline, timeEnd + 1)
    if (end < 0) break
    lists.topics.push(body.toString('latin1', at, topicEnd))
    lists.times.push(Number(body.toString('latin1', topicEnd + 1, timeEnd)))
    lists.payloads.push(body.toString('utf8', timeEnd + 1, end))
    at = end + 1
  }
  return newestOf(lists)
}

const tab = 9
const newline = 10

/** As HSCAN returns them: topic, then "time, tab, payload". */
function parseFields(fields: readonly string[]): Newest {
  const lists: Lists = { topics: [], times: [], payloads: [] }
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const value = fields[i + 1]!
    const tabAt = value.indexOf('\t')
    lists.topics.push(fields[i]!)
    lists.times.push(Number(value.slice(0, tabAt)))
    lists.payloads.push(value.slice(tabAt + 1))
  }
  return newestOf(lists)
}

const newestOf = ({ topics, times, payloads }: Lists): Newest => ({
  topics,
  timesUs: Float64Array.from(times),
  payloads
})

const keyOf = (part: number): string => `chargelift:shadow:{${part}}`

/** All topics of a charger are in one part. */
function partOf(topic: string): number {
  let hash = 0
  for (let i = topic.indexOf('/') + 1; i < topic.length && topic[i] !== '/'; i++) {
    hash = (Math.imul(hash, 31) + topic.charCodeAt(i)) >>> 0
  }
  return hash % clusterParts
}
