// The sessions of several servers. Redis holds filters, wills and incoming QoS 2 messages (redisStore.ts, the
// library's) and queues (redisQueue.ts, ours). Each server has a copy of all filters, and the servers tell each other
// about changes. Never waits for Redis longer than the link does, and works without Redis: a client then gets the
// session that this server remembers, and no stored will. Writes that failed are repeated when Redis is back.

import { Readable } from 'node:stream'
import MemoryPersistence from 'aedes-persistence/asyncPersistence.js'
import { commandChargerOf } from '../../model/wire/topics.ts'
import { Interest } from '../aedes/interest.ts'
import type { QueuedPacket } from '../aedes/offlineQueue.ts'
import { loneBroker } from '../internals.ts'
import type { RedisLink } from './redisLink.ts'
import { RedisQueue } from './redisQueue.ts'
import { clientsKey, inTime, type RedisStore, redisStore, type Will } from './redisStore.ts'

export interface Subscription {
  readonly topic: string
  readonly qos: number
}

interface Subscribing {
  readonly id: string
  readonly clean?: boolean
}

interface Incoming extends QueuedPacket {
  readonly messageId: number
}

/**
 * What servers tell each other about a session: filters with their QoS that were added, filters removed, or its end.
 */
interface SessionNews {
  readonly id: string
  readonly added?: readonly (readonly [filter: string, qos: number])[]
  readonly removed?: readonly string[]
  readonly ended?: boolean
}

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
  /** The filters of sessions that outlive their connections, on any server. */
  readonly kept = new Interest()
  readonly #link: RedisLink
  readonly #store: RedisStore
  readonly #options: SharedOptions
  /** Client ids whose filters in Redis differ from those here: the writes under way, and whether one has failed. */
  readonly #dirty = new Map<string, { writes: number; hasFailed: boolean }>()
  /** Client ids whose filters are being read, and how often the filters here have changed since. */
  readonly #reads = new Map<string, { readers: number; changes: number }>()
  readonly #clientIds = new Set<string>()
  readonly #wills = new Map<string, Will>()
  /** Client ids whose will in Redis differs from the will here. */
  readonly #dirtyWills = new Set<string>()
  #brokerId = ''

  constructor(options: SharedOptions) {
    super({})
    this.#options = options
    this.#link = options.link
    this.#store = redisStore(options.link)
    this.queue = new RedisQueue(options.link)
    this.#link.on('session', body => this.#hear(JSON.parse(body.toString())).catch(options.failed))
    this.#link.onBack(hasForgotten => this.#goOn(hasForgotten))
  }

  override async setup(broker: { readonly id: string }): Promise<void> {
    this.#brokerId = broker.id
    await super.setup(broker)
    await this.#store.setup(loneBroker(broker.id))
    if (this.#link.isReachable) await this.#load().catch(() => {})
  }

  // --- filters

  override async addSubscriptions(client: Subscribing, subscriptions: readonly Subscription[]): Promise<void> {
    if (subscriptions.length === 0) return
    const { id } = client
    const kept = subscriptions.map(({ topic, qos }) => ({ topic, qos }))
    const added = this.#addHere(id, subscriptions)
    await this.#write(id, store => store.addSubscriptions({ id }, kept))
    await added
    this.#tell({ id, added: subscriptions.map(({ topic, qos }) => [topic, qos]) })
  }

  override async removeSubscriptions({ id }: Subscribing, filters: readonly string[]): Promise<void> {
    if (filters.length === 0) return
    const removed = this.#removeHere(id, filters)
    await this.#write(id, store => store.removeSubscriptions({ id }, filters))
    await removed
    this.#tell({ id, removed: filters })
  }

  /** From Redis, where it can be reached: the client may have been at another server a moment ago. */
  override async subscriptionsByClient({ id }: Subscribing): Promise<Subscription[]> {
    await this.#read(id).catch(() => {}) // then this server's copy serves
    return super.subscriptionsByClient({ id })
  }

  override async cleanSubscriptions({ id }: Subscribing): Promise<void> {
    const wasKnown = this.#clientIds.has(id)
    const replaced = this.#replace(id, [])
    let isThere = false
    await this.#write(id, async store => {
      const [filters] = await Promise.all([
        store.subscriptionsByClient({ id }),
        store.cleanIncoming({ id }),
        this.queue.remove(id)
      ])
      isThere = filters.length > 0
      if (isThere) await store.cleanSubscriptions({ id })
    })
    await replaced
    if (wasKnown || isThere) this.#tell({ id, ended: true })
  }

  // --- queues

  async outgoingEnqueue({ clientId }: { clientId: string }, packet: QueuedPacket): Promise<void> {
    await this.outgoingEnqueueCombi([{ clientId }], packet)
  }

  /** Rejects for a command that cannot be kept, so that its sender tries again. Values are in the database anyway. */
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
    await this.#store.incomingStorePacket(client, packet).catch(() => {})
  }

  /** The message may have come to another server. */
  override async incomingGetPacket(client: Subscribing, packet: Incoming): Promise<object> {
    try {
      return await super.incomingGetPacket(client, packet)
    } catch (error) {
      const known = client.clean
        ? undefined
        : await this.#store.incomingGetPacket(client, packet).catch(() => undefined)
      if (known === undefined) throw error
      await super.incomingStorePacket(client, known as Incoming) // its PUBREL is handled next
      return known
    }
  }

  override async incomingDelPacket(client: Subscribing, packet: Incoming): Promise<void> {
    await super.incomingDelPacket(client, packet)
    if (client.clean) return
    await this.#store.incomingDelPacket(client, packet).catch(() => {})
  }

  // --- wills

  async putWill({ id }: Subscribing, will: Will): Promise<void> {
    Object.assign(will, { brokerId: this.#brokerId, clientId: id })
    this.#wills.set(id, will)
    await this.#writeWill(id)
  }

  async getWill({ id }: Subscribing): Promise<Will | undefined> {
    return this.#wills.get(id)
  }

  /** `brokerId`: of a server that is gone; another server publishes its wills. */
  async delWill({ id, brokerId = this.#brokerId }: Subscribing & { brokerId?: string }): Promise<Will | undefined> {
    if (brokerId !== this.#brokerId)
      return (await inTime(this.#store.delWill({ id, brokerId })).catch(() => null)) ?? undefined
    const will = this.#wills.get(id)
    if (this.#wills.delete(id)) await this.#writeWill(id)
    return will
  }

  async *streamWill(brokers: Readonly<Record<string, number>> = {}): AsyncGenerator<Will> {
    try {
      for await (const will of this.#store.streamWill(brokers)) if (will.brokerId !== this.#brokerId) yield will
    } catch {} // the remaining wills come with the next call
  }

  // --- the copy of all filters: each of these three changes it before it returns, so that no other comes between

  async #addHere(id: string, subscriptions: readonly Subscription[]): Promise<void> {
    this.#changed(id)
    const added = super.addSubscriptions({ id }, subscriptions)
    for (const { topic, qos } of subscriptions) if (qos > 0) this.kept.subscribe(id, topic)
    if (!this.#clientIds.has(id)) this.#options.known(id)
    this.#clientIds.add(id)
    await added
  }

  async #removeHere(id: string, filters: readonly string[]): Promise<void> {
    this.#changed(id)
    const removed = super.removeSubscriptions({ id }, filters)
    for (const filter of filters) this.kept.unsubscribe(id, filter)
    await removed
    if ((await super.subscriptionsByClient({ id })).length === 0) this.#clientIds.delete(id)
  }

  async #replace(id: string, subscriptions: readonly Subscription[]): Promise<void> {
    this.#changed(id)
    const cleaned = super.cleanSubscriptions({ id })
    this.kept.forget(id)
    this.#clientIds.delete(id)
    if (subscriptions.length > 0) await this.#addHere(id, subscriptions)
    await cleaned
  }

  #changed(id: string): void {
    const read = this.#reads.get(id)
    if (read) read.changes++
  }

  /** Takes over what Redis holds of a session, unless our own changes are not written yet. */
  async #read(id: string): Promise<void> {
    await this.#steadily(id, async isSteady => {
      if (this.#dirty.has(id)) return true
      const filters = await this.#store.subscriptionsByClient({ id })
      if (!isSteady() || this.#dirty.has(id)) return false
      await this.#replace(id, filters)
      return true
    })
  }

  /** Repeats `work` until it returns true. `isSteady`: the filters here have not changed since `work` was called. */
  async #steadily(id: string, work: (isSteady: () => boolean) => Promise<boolean>): Promise<void> {
    const read = this.#reads.get(id) ?? { readers: 0, changes: 0 }
    this.#reads.set(id, read)
    read.readers++
    try {
      for (let isDone = false; !isDone; ) {
        const { changes } = read
        isDone = await work(() => read.changes === changes)
      }
    } finally {
      if (--read.readers === 0) this.#reads.delete(id)
    }
  }

  async #hear({ id, added = [], removed = [], ended }: SessionNews): Promise<void> {
    if (ended) await this.#replace(id, [])
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

  /** A write that fails is repeated when Redis is back. */
  async #write(id: string, work: (store: RedisStore) => Promise<void>): Promise<void> {
    const dirty = this.#dirty.get(id) ?? { writes: 0, hasFailed: false }
    this.#dirty.set(id, dirty)
    dirty.writes++
    const written = work(this.#store)
      .catch(() => {
        dirty.hasFailed = true
      })
      .finally(() => {
        dirty.writes--
        this.#settle(id)
      })
    await inTime(written).catch(() => {})
  }

  #settle(id: string): void {
    const dirty = this.#dirty.get(id)
    if (dirty?.writes === 0 && !dirty.hasFailed) this.#dirty.delete(id)
  }

  async #writeWill(id: string): Promise<void> {
    const will = this.#wills.get(id)
    const work: Promise<unknown> = will
      ? this.#store.putWill({ id }, will)
      : this.#store.delWill({ id, brokerId: this.#brokerId })
    await inTime(work.catch(() => this.#dirtyWills.add(id))).catch(() => {})
  }

  /** Redis is there again: writes what it lacks, and reads what other servers have written meanwhile. */
  async #goOn(hasForgotten: boolean): Promise<void> {
    const dirty = [...this.#dirty.keys()]
    const behind = hasForgotten ? [...new Set([...this.#clientIds, ...dirty])] : dirty
    for (const page of pagesOf(behind)) await Promise.all(page.map(id => this.#catchUp(id)))
    const wills = [...new Set(hasForgotten ? [...this.#wills.keys(), ...this.#dirtyWills] : this.#dirtyWills)]
    this.#dirtyWills.clear()
    for (const page of pagesOf(wills)) await Promise.all(page.map(id => this.#writeWill(id)))
    if (!hasForgotten) await this.#load()
  }

  /**
   * Only the server that changed a session while Redis was away removes filters: another's copy may lack the newest.
   */
  async #catchUp(id: string): Promise<void> {
    const dirty = this.#dirty.get(id)
    if (dirty) dirty.hasFailed = false
    try {
      await this.#steadily(id, async isSteady => {
        const there = new Set((await this.#store.subscriptionsByClient({ id })).map(({ topic }) => topic))
        const here = (await super.subscriptionsByClient({ id })).map(({ topic, qos }) => ({ topic, qos }))
        const gone = [...there].filter(filter => !here.some(({ topic }) => topic === filter))
        const lacking = dirty ? here : here.filter(({ topic }) => !there.has(topic))
        if (dirty && gone.length > 0) await this.#store.removeSubscriptions({ id }, gone)
        if (lacking.length > 0) await this.#store.addSubscriptions({ id }, lacking)
        if (dirty && isSteady()) this.#tell({ id, ended: true, added: here.map(({ topic, qos }) => [topic, qos]) })
        return isSteady()
      })
    } catch (error) {
      if (dirty) dirty.hasFailed = true
      throw error
    }
    this.#settle(id)
  }

  async #load(): Promise<void> {
    const known = new Set(await this.#link.ask(redis => redis.smembers(clientsKey)))
    for (const id of this.#clientIds) known.add(id) // a session here may have ended meanwhile
    for (const page of pagesOf([...known])) await Promise.all(page.map(id => this.#read(id)))
  }
}

function* pagesOf(ids: readonly string[]): Generator<readonly string[]> {
  for (let at = 0; at < ids.length; at += pageSize) yield ids.slice(at, at + pageSize)
}
