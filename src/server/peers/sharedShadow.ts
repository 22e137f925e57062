// The shadow that several servers share through Redis. Each writes behind what it committed, coalesced to the newest of a topic,
// ten times a second, under load twice; the newest SamplingTime stands, whoever wrote it. The same write tells the other servers, and who was
// away reads all of it anew. While Redis is away what is newest waits here: it is bounded by the number of topics.

import { busChannel, type RedisLink } from '../../broker/redis/redisLink.ts'
import { runScript, scriptOf } from '../../broker/redis/redisQueue.ts'
import type { Shadow, ShadowEntry } from '../../broker/shadow.ts'
import type { Newest } from '../../model/server/admission.ts'
import { topicOf } from '../../model/wire/topics.ts'

const writeIntervalMs = 100
/**
 * After a write of more than 500 topics the next one waits longer, so that it holds each topic once where there would be two or
 * three: an entry is built, sent and heard. Measured with two processes and a saturating fleet of 4,000 topics: 15.3 us of CPU
 * per message for servers and database at 100 ms, 13.5 at 400.
 */
const writeIntervalMaxMs = 500
const writeEntriesPerMs = 5
/** Of one script, which Redis runs to its end. */
const scriptEntriesMax = 1_000
/** After an outage: so many at once, that Redis answers others in between. */
const writeEntriesMax = 20_000
const scanCount = 2_000
/** A cluster spreads it over its nodes by charger. */
const clusterParts = 64

/** Key: a hash, topic to "time in microseconds, tab, payload". Arguments: head of the message, lines of topic, time, payload. */
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

  /** What this server committed or presented. */
  note(topic: string, entry: ShadowEntry): void {
    this.#dirty[this.#parts === 1 ? 0 : partOf(topic)]!.set(topic, entry)
  }

  /** Reads all that is there; rejects when Redis goes away. */
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

  /** Writes what is left, if Redis is there. */
  async close(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    await this.#writing
    await this.#write()
  }

  #writeIn(ms: number): void {
    this.#timer = setTimeout(async () => {
      const entries = await this.#write()
      // Closed meanwhile: then it is not set.
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

  /** Returns how many entries it wrote. */
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
 * Lines of topic, time, payload. Each text is made by itself: as parts of one text, each entry that stays would keep all of it.
 * Exported for its test.
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

/** As HSCAN gives them: topic, "time, tab, payload", in turns. */
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

/** All topics of a charger lie together. */
function partOf(topic: string): number {
  let hash = 0
  for (let i = topic.indexOf('/') + 1; i < topic.length && topic[i] !== '/'; i++) {
    hash = (Math.imul(hash, 31) + topic.charCodeAt(i)) >>> 0
  }
  return hash % clusterParts
}
