// The sessions of several servers: filters, queues, wills and incoming QoS 2 messages in Redis, and each server with a copy of all
// filters, kept up by what the others tell. Never waits for Redis longer than the link does, and never fails for want of it:
// a client then gets the session that this server remembers, and no stored will. What could not be written is made up for.

import { Readable } from 'node:stream'
import MemoryPersistence from 'aedes-persistence/asyncPersistence.js'
import { commandChargerOf } from '../model/topics.ts'
import { Interest } from './interest.ts'
import type { QueuedPacket } from './offlineQueue.ts'
import type { RedisLink } from './redisLink.ts'
import { keysOf, RedisQueue } from './redisQueue.ts'

export interface Subscription {
  readonly topic: string
  readonly qos: number
}

interface Subscribing {
  readonly id: string
  readonly clean?: boolean
}

interface Will {
  readonly topic: string
  readonly payload: Buffer
  readonly qos: number
  readonly retain: boolean
  brokerId?: string
  clientId?: string
}

interface Incoming extends QueuedPacket {
  readonly messageId: number
}

/** What servers tell of a session: filters with their QoS that came, filters that went; or it ended. */
interface SessionNews {
  readonly id: string
  readonly added?: readonly (readonly [filter: string, qos: number])[]
  readonly removed?: readonly string[]
  readonly ended?: boolean
}

const clientsKey = 'chargelift:clients'
const willsKey = 'chargelift:wills'
const pageSize = 500

interface MemoryBase {
  setup(broker: { readonly id: string }): Promise<void>
  addSubscriptions(client: Subscribing, subscriptions: readonly Subscription[]): Promise<void>
  removeSubscriptions(client: Subscribing, filters: readonly string[]): Promise<void>
  cleanSubscriptions(client: Subscribing): Promise<void>
  subscriptionsByClient(client: Subscribing): Promise<Subscription[]>
  incomingStorePacket(client: Subscribing, packet: Incoming): Promise<void>
  incomingGetPacket(client: Subscribing, packet: Incoming): Promise<object>
  incomingDelPacket(client: Subscribing, packet: Incoming): Promise<void>
  cleanIncoming(client: Subscribing): Promise<void>
}

const Memory = MemoryPersistence as unknown as new (options: object) => MemoryBase

export interface SharedOptions {
  readonly link: RedisLink
  /** A clean=false session, of this server or another. */
  readonly known: (clientId: string) => void
  readonly failed: (error: Error) => void
}

export class SharedPersistence extends Memory {
  readonly queue: RedisQueue
  /** Who waits for news in a session that outlives its connection, on whatever server. */
  readonly kept = new Interest()
  readonly #link: RedisLink
  readonly #options: SharedOptions
  /** Client ids whose filters in Redis are not those here. */
  readonly #dirty = new Set<string>()
  readonly #clientIds = new Set<string>()
  readonly #wills = new Map<string, Will>()
  #brokerId = ''

  constructor(options: SharedOptions) {
    super({})
    this.#options = options
    this.#link = options.link
    this.queue = new RedisQueue(options.link)
    this.#link.on('session', body => this.#hear(JSON.parse(body.toString())).catch(options.failed))
    this.#link.onBack(hasForgotten => this.#goOn(hasForgotten))
  }

  override async setup(broker: { readonly id: string }): Promise<void> {
    this.#brokerId = broker.id
    await super.setup(broker)
    if (this.#link.isReachable) await this.#load().catch(() => {})
  }

  // --- filters

  override async addSubscriptions(client: Subscribing, subscriptions: readonly Subscription[]): Promise<void> {
    if (subscriptions.length === 0) return
    const { id } = client
    await this.#addHere(id, subscriptions)
    const fields = subscriptions.flatMap(({ topic, qos }) => [topic, String(qos)])
    await this.#write(id, [
      ['sadd', clientsKey, id],
      ['hset', filtersKey(id), ...fields]
    ])
    this.#tell({ id, added: subscriptions.map(({ topic, qos }) => [topic, qos]) })
  }

  override async removeSubscriptions({ id }: Subscribing, filters: readonly string[]): Promise<void> {
    if (filters.length === 0) return
    await this.#removeHere(id, filters)
    await this.#write(id, [
      ['hdel', filtersKey(id), ...filters],
      ...(this.#clientIds.has(id) ? [] : [['srem', clientsKey, id]])
    ])
    this.#tell({ id, removed: filters })
  }

  /** What Redis says, where it is there: the client may have been elsewhere a moment ago. */
  override async subscriptionsByClient({ id }: Subscribing): Promise<Subscription[]> {
    if (!this.#dirty.has(id)) {
      try {
        await this.#replace(id, await this.#link.ask(redis => redis.hgetall(filtersKey(id))))
      } catch {} // then what is known here
    }
    return super.subscriptionsByClient({ id })
  }

  override async cleanSubscriptions({ id }: Subscribing): Promise<void> {
    const wasKnown = this.#clientIds.has(id)
    await this.#replace(id, {})
    this.queue.forget(id)
    const [removed] = await this.#write(id, [
      ['srem', clientsKey, id],
      ['unlink', ...keysOf(id)]
    ])
    if (wasKnown || removed === 1) this.#tell({ id, ended: true })
  }

  // --- queues

  async outgoingEnqueue({ clientId }: { clientId: string }, packet: QueuedPacket): Promise<void> {
    await this.outgoingEnqueueCombi([{ clientId }], packet)
  }

  /** Rejects for a command that cannot be kept, so that its sender tries again; values are in the database. */
  async outgoingEnqueueCombi(subscriptions: readonly { clientId: string }[], packet: QueuedPacket): Promise<void> {
    if (subscriptions.length === 0) return
    try {
      await this.queue.enqueue([...new Set(subscriptions.map(({ clientId }) => clientId))], packet)
    } catch (error) {
      this.queue.dropped += subscriptions.length
      if (commandChargerOf(packet.topic ?? '') !== undefined) throw error
    }
  }

  async outgoingUpdate({ id }: Subscribing, packet: QueuedPacket): Promise<void> {
    await this.queue.update(id, packet).catch(() => {})
  }

  async outgoingClearMessageId({ id, clean }: Subscribing, packet: QueuedPacket): Promise<QueuedPacket | undefined> {
    if (clean) return undefined // it has no queue
    return this.queue.clear(id, packet).catch(() => undefined)
  }

  outgoingStream({ id, clean }: Subscribing): Readable {
    return Readable.from(clean ? [] : this.queue.list(id))
  }

  // --- incoming QoS 2

  override async incomingStorePacket(client: Subscribing, packet: Incoming): Promise<void> {
    await super.incomingStorePacket(client, packet)
    if (client.clean) return
    const text = JSON.stringify({ ...packet, payload: Buffer.from(packet.payload ?? '').toString('base64') })
    await this.#link.ask(redis => redis.hset(incomingKey(client.id), packet.messageId, text)).catch(() => {})
  }

  /** It may have come to another server. */
  override async incomingGetPacket(client: Subscribing, packet: Incoming): Promise<object> {
    try {
      return await super.incomingGetPacket(client, packet)
    } catch (error) {
      const text = await this.#link
        .ask(redis => redis.hget(incomingKey(client.id), String(packet.messageId)))
        .catch(() => null)
      if (text === null) throw error
      const found = JSON.parse(text)
      const known = { ...found, payload: Buffer.from(found.payload, 'base64') }
      await super.incomingStorePacket(client, known) // it is released next
      return known
    }
  }

  override async incomingDelPacket(client: Subscribing, packet: Incoming): Promise<void> {
    await super.incomingDelPacket(client, packet)
    if (client.clean) return
    await this.#link.ask(redis => redis.hdel(incomingKey(client.id), String(packet.messageId))).catch(() => {})
  }

  // --- wills

  async putWill({ id }: Subscribing, will: Will): Promise<void> {
    Object.assign(will, { brokerId: this.#brokerId, clientId: id })
    this.#wills.set(id, will)
    const text = JSON.stringify({ ...will, payload: Buffer.from(will.payload).toString('base64') })
    await this.#link.ask(redis => redis.hset(willsKey, willField(this.#brokerId, id), text)).catch(() => {})
  }

  async getWill({ id }: Subscribing): Promise<Will | undefined> {
    return this.#wills.get(id)
  }

  /** `brokerId`: of a server that is gone; its wills are published by another. */
  async delWill({ id, brokerId = this.#brokerId }: Subscribing & { brokerId?: string }): Promise<Will | undefined> {
    const isOwn = brokerId === this.#brokerId
    const will = isOwn ? this.#wills.get(id) : undefined
    if (isOwn && will === undefined) return undefined
    if (isOwn) this.#wills.delete(id)
    await this.#link.ask(redis => redis.hdel(willsKey, willField(brokerId, id))).catch(() => {})
    return will
  }

  async *streamWill(brokers: Readonly<Record<string, number>> = {}): AsyncGenerator<Will> {
    const all = await this.#link.ask(redis => redis.hvals(willsKey)).catch(() => [])
    for (const text of all) {
      const will = JSON.parse(text)
      if (will.brokerId === this.#brokerId || brokers[will.brokerId] !== undefined) continue
      yield { ...will, payload: Buffer.from(will.payload, 'base64') }
    }
  }

  // --- the copy of all filters

  async #addHere(id: string, subscriptions: readonly Subscription[]): Promise<void> {
    await super.addSubscriptions({ id }, subscriptions)
    for (const { topic, qos } of subscriptions) if (qos > 0) this.kept.subscribe(id, topic)
    if (!this.#clientIds.has(id)) this.#options.known(id)
    this.#clientIds.add(id)
  }

  async #removeHere(id: string, filters: readonly string[]): Promise<void> {
    await super.removeSubscriptions({ id }, filters)
    for (const filter of filters) this.kept.unsubscribe(id, filter)
    if ((await super.subscriptionsByClient({ id })).length === 0) this.#clientIds.delete(id)
  }

  async #replace(id: string, fields: Readonly<Record<string, string>>): Promise<void> {
    await super.cleanSubscriptions({ id })
    this.kept.forget(id)
    this.#clientIds.delete(id)
    const subscriptions = Object.entries(fields).map(([topic, qos]) => ({ topic, qos: Number(qos) }))
    if (subscriptions.length > 0) await this.#addHere(id, subscriptions)
  }

  async #hear({ id, added = [], removed = [], ended }: SessionNews): Promise<void> {
    if (ended) await this.#replace(id, {})
    if (removed.length > 0) await this.#removeHere(id, removed)
    if (added.length > 0) {
      await this.#addHere(
        id,
        added.map(([topic, qos]) => ({ topic, qos }))
      )
    }
  }

  #tell(news: SessionNews): void {
    this.#link.tell('session', JSON.stringify(news))
  }

  /** What cannot be written now is, when Redis is back. */
  async #write(id: string, commands: readonly (readonly (string | number)[])[]): Promise<unknown[]> {
    try {
      return await this.#link.askAll(commands)
    } catch {
      this.#dirty.add(id)
      return []
    }
  }

  /** Redis is there again: writes what it lacks, and reads what others wrote meanwhile. */
  async #goOn(hasForgotten: boolean): Promise<void> {
    const behind = hasForgotten ? new Set([...this.#clientIds, ...this.#dirty]) : new Set(this.#dirty)
    for (const id of behind) {
      const subscriptions = await super.subscriptionsByClient({ id })
      const fields = subscriptions.flatMap(({ topic, qos }) => [topic, String(qos)])
      await this.#link.askAll([
        ['unlink', filtersKey(id)],
        ...(fields.length > 0 ? [['hset', filtersKey(id), ...fields]] : []),
        [fields.length > 0 ? 'sadd' : 'srem', clientsKey, id]
      ])
      this.#dirty.delete(id)
    }
    if (!hasForgotten) await this.#load()
  }

  async #load(): Promise<void> {
    const ids = await this.#link.ask(redis => redis.smembers(clientsKey))
    for (let at = 0; at < ids.length; at += pageSize) {
      const page = ids.slice(at, at + pageSize)
      const hashes = await Promise.all(page.map(id => this.#link.ask(redis => redis.hgetall(filtersKey(id)))))
      for (const [i, id] of page.entries()) if (!this.#dirty.has(id)) await this.#replace(id, hashes[i]!)
    }
    const known = new Set(ids)
    for (const id of [...this.#clientIds]) if (!known.has(id) && !this.#dirty.has(id)) await this.#replace(id, {})
  }
}

const filtersKey = (id: string): string => keysOf(id)[4]!
const incomingKey = (id: string): string => keysOf(id)[5]!
const willField = (brokerId: string, clientId: string): string => `${brokerId} ${clientId}`
