// The queues of clean=false subscribers in Redis, shared by all servers: the messages that are not acknowledged yet,
// oldest first. A queue has a fixed number of messages and bytes at most, and all queues that this server feeds have a
// number of bytes together. Over a limit the oldest messages are dropped and counted. Each step is one script on the
// keys of one client, so that two servers do not see each other's half-done work. The queues are ours, because those
// of aedes-persistence-redis have no bound in messages or bytes, and no command by which to bound them.

import { createHash } from 'node:crypto'
import { entryBytes, keyOf, type QueuedPacket } from '../aedes/offlineQueue.ts'
import { offlineQueueBytesMax, offlineQueueMessagesMax } from '../limits.ts'
import type { RedisLink } from './redisLink.ts'

/**
 * Keys: order (by sequence), packets ("messageId:JSON" by place), ids (places by message id), meta (sequence, bytes).
 */
const common = `
local order, packets, ids, meta = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local function put(place, text)
  local old = redis.call('HGET', packets, place)
  redis.call('HSET', packets, place, text)
  redis.call('HINCRBY', meta, 'bytes', #text - (old and #old or -${entryBytes}))
end
local function take(place)
  local old = redis.call('HGET', packets, place)
  redis.call('ZREM', order, place)
  if not old then return false end
  redis.call('HDEL', packets, place)
  local id = string.match(old, '^(%d+):')
  if id ~= '0' then redis.call('HDEL', ids, id) end
  redis.call('HINCRBY', meta, 'bytes', -#old - ${entryBytes})
  return old
end
local function bytes() return tonumber(redis.call('HGET', meta, 'bytes') or '0') end
local function shorten(messages, most)
  local dropped = 0
  while redis.call('ZCARD', order) > messages or bytes() > most do
    local oldest = redis.call('ZRANGE', order, 0, 0)[1]
    if not oldest then break end
    take(oldest)
    dropped = dropped + 1
  end
  return {dropped, bytes()}
end`

/** Place, packet, most messages, most bytes. */
const enqueue = scriptOf(`${common}
if redis.call('HEXISTS', packets, ARGV[1]) == 0 then
  redis.call('ZADD', order, redis.call('HINCRBY', meta, 'sequence', 1), ARGV[1])
  put(ARGV[1], '0:' .. ARGV[2])
end
return shorten(tonumber(ARGV[3]), tonumber(ARGV[4]))`)

/** The queue loses its older half. */
const halve = scriptOf(`${common}
return shorten(math.floor(redis.call('ZCARD', order) / 2), bytes())`)

/** Place or '', message id, packet that takes its place or ''. */
const update = scriptOf(`${common}
local place = ARGV[1]
if place == '' then place = redis.call('HGET', ids, ARGV[2]) end
local old = place and redis.call('HGET', packets, place)
if not old then return 0 end
local id, text = string.match(old, '^(%d+):(.*)$')
if id ~= '0' and id ~= ARGV[2] then redis.call('HDEL', ids, id) end
put(place, ARGV[2] .. ':' .. (ARGV[3] ~= '' and ARGV[3] or text))
redis.call('HSET', ids, ARGV[2], place)
return 1`)

/** Place or '', message id. Returns what was there. */
const clear = scriptOf(`${common}
local place = ARGV[1]
if place == '' then place = redis.call('HGET', ids, ARGV[2]) end
return place and take(place)`)

export interface RedisQueueLimits {
  readonly messagesMax: number
  /** Of one queue. */
  readonly bytesMax: number
  /** Of all that this server feeds. */
  readonly totalBytesMax: number
}

const limitsDefault: RedisQueueLimits = {
  messagesMax: offlineQueueMessagesMax,
  bytesMax: offlineQueueBytesMax / 8,
  totalBytesMax: offlineQueueBytesMax
}
const pageSize = 200

export class RedisQueue {
  readonly #link: RedisLink
  readonly #limits: RedisQueueLimits
  /** Per client the bytes of its queue, as last seen. */
  readonly #bytes = new Map<string, number>()
  #totalBytes = 0
  /** Messages that were dropped: there were too many, or Redis was away. */
  dropped = 0

  constructor(link: RedisLink, limits: RedisQueueLimits = limitsDefault) {
    this.#link = link
    this.#limits = limits
  }

  /** Rejects when a queue could not keep the packet. */
  async enqueue(clientIds: readonly string[], packet: QueuedPacket): Promise<void> {
    const { messagesMax, bytesMax } = this.#limits
    const args = [keyOf(packet), encode(packet), messagesMax, bytesMax]
    await Promise.all(
      clientIds.map(async id => this.#note(id, (await this.#run(enqueue, id, args)) as [number, number]))
    )
    while (this.#totalBytes > this.#limits.totalBytesMax) {
      const [longest] = [...this.#bytes].reduce((a, b) => (b[1] > a[1] ? b : a))
      this.#note(longest, (await this.#run(halve, longest, [])) as [number, number])
    }
  }

  async update(clientId: string, packet: QueuedPacket): Promise<void> {
    const isRelease = packet.brokerId === undefined
    const args = [isRelease ? '' : keyOf(packet), packet.messageId!, isRelease ? encode(packet) : '']
    await this.#run(update, clientId, args)
  }

  /** The message was acknowledged; or, if it has no message id, it will not be sent. Returns it. */
  async clear(clientId: string, packet: QueuedPacket): Promise<QueuedPacket | undefined> {
    const { messageId } = packet
    const text = await this.#run(clear, clientId, [messageId === undefined ? keyOf(packet) : '', messageId ?? 0])
    return typeof text === 'string' ? decode(text) : undefined
  }

  /** The queue of now, oldest first. Ends early when Redis goes away. */
  async *list(clientId: string): AsyncGenerator<QueuedPacket> {
    const [order, packets] = keysOf(clientId) as [string, string]
    const places = await this.#link.ask(redis => redis.zrange(order, 0, -1)).catch(() => [])
    for (let at = 0; at < places.length; at += pageSize) {
      const page = places.slice(at, at + pageSize)
      const texts = await this.#link.ask(redis => redis.hmget(packets, ...page)).catch(() => [])
      for (const text of texts) if (text !== null) yield decode(text)
    }
  }

  /** The client's session ended. */
  async remove(clientId: string): Promise<void> {
    this.#forget(clientId)
    await this.#link.ask(redis => redis.unlink(...keysOf(clientId)))
  }

  #forget(clientId: string): void {
    this.#totalBytes -= this.#bytes.get(clientId) ?? 0
    this.#bytes.delete(clientId)
  }

  #note(clientId: string, [dropped, bytes]: [number, number]): void {
    this.dropped += dropped
    this.#forget(clientId)
    if (bytes > 0) this.#bytes.set(clientId, bytes)
    this.#totalBytes += bytes
  }

  #run(script: Script, clientId: string, args: readonly (string | number)[]): Promise<unknown> {
    return this.#link.ask(redis => runScript(redis, script, keysOf(clientId), args))
  }
}

/** In one slot of a cluster. */
function keysOf(clientId: string): string[] {
  const tag = `chargelift:{${encodeURIComponent(clientId)}}:`
  return ['order', 'packets', 'ids', 'meta'].map(name => tag + name)
}

interface Scripted {
  evalsha(sha: string, keys: number, ...args: (string | number)[]): Promise<unknown>
  eval(script: string, keys: number, ...args: (string | number)[]): Promise<unknown>
}

export interface Script {
  readonly text: string
  readonly digest: string
}

/** Runs it by its digest; with its text when Redis does not know it yet. */
export async function runScript(
  redis: Scripted,
  { text, digest }: Script,
  keys: readonly string[],
  args: readonly (string | number)[]
): Promise<unknown> {
  try {
    return await redis.evalsha(digest, keys.length, ...keys, ...args)
  } catch (error) {
    if (!(error as Error).message.startsWith('NOSCRIPT')) throw error
    return redis.eval(text, keys.length, ...keys, ...args)
  }
}

const encode = ({ payload, ...packet }: QueuedPacket): string =>
  JSON.stringify({ ...packet, ...(payload !== undefined && { payload: Buffer.from(payload).toString('base64') }) })

/** `messageId:JSON`. */
function decode(text: string): QueuedPacket {
  const colon = text.indexOf(':')
  const messageId = Number(text.slice(0, colon))
  const { payload, ...packet } = JSON.parse(text.slice(colon + 1))
  return {
    ...packet,
    messageId: messageId === 0 ? undefined : messageId,
    ...(payload !== undefined && { payload: Buffer.from(payload, 'base64') })
  }
}

export function scriptOf(text: string): Script {
  return { text, digest: createHash('sha1').update(text).digest('hex') }
}
