// What Aedes keeps: sessions, subscriptions, offline queues and wills, in memory or in Redis; retained messages are
// the shadow's and are never stored here. A subscription that may not be read is never stored either.

import { Readable } from 'node:stream'
import MemoryPersistence from 'aedes-persistence/asyncPersistence.js'
import { Interest } from './aedes/interest.ts'
import { OfflineQueue, type QueuedPacket } from './aedes/offlineQueue.ts'
import { type Bus, openBus } from './redis/redisBus.ts'
import type { RedisLink } from './redis/redisLink.ts'
import { SharedPersistence } from './redis/sharedPersistence.ts'
import type { Shadow } from './shadow.ts'

interface Subscribing {
  readonly id: string
}

interface Subscription {
  readonly topic: string
  readonly qos: number
}

interface SessionPersistence {
  addSubscriptions(client: Subscribing, subscriptions: readonly Subscription[]): Promise<void>
  removeSubscriptions(client: Subscribing, filters: readonly string[]): Promise<void>
  cleanSubscriptions(client: Subscribing): Promise<void>
}

// Aedes' persistences have no common type: what is overridden here is in the interface, the rest is theirs.
type PersistenceClass = new (options: object) => SessionPersistence

export interface PersistenceOptions {
  readonly shadow: Shadow
  readonly maySubscribe: (client: Subscribing, filter: string) => boolean
  /** To the Redis of several servers; undefined = in memory. */
  readonly link: RedisLink | undefined
  /** A clean=false session that another server has, or that was there before. */
  readonly known: (clientId: string) => void
  readonly failed: (error: Error) => void
}

/** What Aedes' options take. */
export interface OpenPersistence {
  readonly persistence: object
  /** The message emitter that servers share; absent = Aedes' own, in memory. */
  readonly bus?: Bus
  /** Whether a session that outlives its connection, on whatever server, may want it. */
  isKeptFor(topic: string): boolean
  forgetSubscription(clientId: string, filter: string): Promise<void>
  forgetSession(clientId: string): Promise<void>
  /** Messages that clean=false subscribers did not get because too many waited. */
  offlineDropped(): number
}

export function openPersistence(options: PersistenceOptions): OpenPersistence {
  if (options.link !== undefined) return openShared(options.link, options)
  const { shadow, maySubscribe } = options
  const queue = new OfflineQueue()
  const kept = new Interest()
  const Persistence = withShadow(withQueue(MemoryPersistence as PersistenceClass, queue, kept), shadow, maySubscribe)
  const persistence = new Persistence({})
  return {
    persistence,
    forgetSubscription: (id, filter) => persistence.removeSubscriptions({ id }, [filter]),
    forgetSession: id => persistence.cleanSubscriptions({ id }),
    isKeptFor: topic => kept.in(topic),
    offlineDropped: () => queue.dropped
  }
}

function openShared(link: RedisLink, { shadow, maySubscribe, known, failed }: PersistenceOptions): OpenPersistence {
  const Persistence = withShadow(SharedPersistence as unknown as PersistenceClass, shadow, maySubscribe)
  const persistence = new Persistence({ link, known, failed }) as unknown as SharedPersistence
  return {
    persistence,
    forgetSubscription: (id, filter) => persistence.removeSubscriptions({ id }, [filter]),
    forgetSession: id => persistence.cleanSubscriptions({ id }),
    bus: openBus(link),
    isKeptFor: topic => persistence.kept.in(topic),
    offlineDropped: () => persistence.queue.dropped
  }
}

/** Aedes' own queues in memory have no bound, and search for each acknowledgement. `kept`: who waits for what in a session. */
function withQueue(Base: PersistenceClass, queue: OfflineQueue, kept: Interest): PersistenceClass {
  return class QueuedPersistence extends Base {
    async outgoingEnqueue({ clientId }: { clientId: string }, packet: QueuedPacket): Promise<void> {
      queue.enqueue(clientId, packet)
    }

    async outgoingEnqueueCombi(subscriptions: readonly { clientId: string }[], packet: QueuedPacket): Promise<void> {
      for (const { clientId } of subscriptions) queue.enqueue(clientId, packet)
    }

    async outgoingUpdate({ id }: Subscribing, packet: QueuedPacket): Promise<void> {
      queue.update(id, packet)
    }

    async outgoingClearMessageId({ id }: Subscribing, packet: QueuedPacket): Promise<QueuedPacket | undefined> {
      return queue.clear(id, packet)
    }

    outgoingStream({ id }: Subscribing): Readable {
      return Readable.from(queue.list(id))
    }

    override async addSubscriptions(client: Subscribing, subscriptions: readonly Subscription[]): Promise<void> {
      for (const { topic, qos } of subscriptions) if (qos > 0) kept.subscribe(client.id, topic)
      await super.addSubscriptions(client, subscriptions)
    }

    override async removeSubscriptions(client: Subscribing, filters: readonly string[]): Promise<void> {
      for (const filter of filters) kept.unsubscribe(client.id, filter)
      await super.removeSubscriptions(client, filters)
    }

    override async cleanSubscriptions(client: Subscribing): Promise<void> {
      queue.forget(client.id)
      kept.forget(client.id)
      await super.cleanSubscriptions(client)
    }
  }
}

function withShadow(Base: PersistenceClass, shadow: Shadow, maySubscribe: PersistenceOptions['maySubscribe']) {
  return class ShadowedPersistence extends Base {
    readonly #stored = new WeakSet<readonly Subscription[]>()

    async storeRetained(): Promise<void> {} // only committed telemetry is retained, and the shadow has it

    createRetainedStream(filter: string): Readable {
      return this.createRetainedStreamCombi([filter])
    }

    createRetainedStreamCombi(filters: readonly string[]): Readable {
      return Readable.from(retainedPackets(shadow, filters))
    }

    // Aedes stores all filters of a SUBSCRIBE whenever one of them is granted, before the next one is asked for: a denied
    // one would deliver at reconnect.
    override async addSubscriptions(client: Subscribing, subscriptions: readonly Subscription[]): Promise<void> {
      if (this.#stored.has(subscriptions)) return
      this.#stored.add(subscriptions)
      await undefined // all are asked for now
      await super.addSubscriptions(
        client,
        subscriptions.filter(({ topic }) => maySubscribe(client, topic))
      )
    }
  }
}

function* retainedPackets(shadow: Shadow, filters: readonly string[]): Generator<object> {
  for (const filter of filters) {
    for (const { topic, payload } of shadow.match(filter)) {
      // QoS 0 is within every subscription's QoS, and the connection that asks is here to take it.
      yield { cmd: 'publish', topic, payload: Buffer.from(payload), qos: 0, retain: true }
    }
  }
}
