// What Aedes keeps in memory: sessions, subscriptions, offline queues and wills. Retained messages come from the shadow
// and are never stored, here or in Redis. Nor is a subscription to topics that its client may not read.

import { Readable } from 'node:stream'
import MemoryPersistence from 'aedes-persistence/asyncPersistence.js'
import type { Shadow } from '../shadow.ts'
import { Interest } from './interest.ts'
import { OfflineQueue, type QueuedPacket } from './offlineQueue.ts'

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

// Aedes' persistences have no common type: the interface has the methods that are overridden here.
export type PersistenceClass = new (options: object) => SessionPersistence

export type MaySubscribe = (client: Subscribing, filter: string) => boolean

/** The messages that servers share; the subscribers of each are served by the server where they are connected. */
export interface Bus {
  /** For Aedes' `mq`. */
  readonly mq: object
  /** To the subscribers of this server alone. */
  emitHere(message: object): void
}

/** What the broker asks of a persistence, beside what Aedes asks of it. */
export interface OpenPersistence {
  readonly persistence: object
  /** Absent = Aedes' own emitter, in memory. */
  readonly bus?: Bus
  /** Whether a session that outlives its connection, on any server, may want messages of this topic. */
  isKeptFor(topic: string): boolean
  forgetSubscription(clientId: string, filter: string): Promise<void>
  forgetSession(clientId: string): Promise<void>
  /** Messages that clean=false subscribers did not get because too many waited. */
  offlineDropped(): number
}

export function openMemory(shadow: Shadow, maySubscribe: MaySubscribe): OpenPersistence {
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

/** Replaces Aedes' own queues, which have no bound and search for each acknowledgement. `kept`: filters of sessions. */
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

export function withShadow(Base: PersistenceClass, shadow: Shadow, maySubscribe: MaySubscribe): PersistenceClass {
  return class ShadowedPersistence extends Base {
    readonly #stored = new WeakSet<readonly Subscription[]>()

    async storeRetained(): Promise<void> {} // only committed telemetry is retained, and the shadow has it

    createRetainedStream(filter: string): Readable {
      return this.createRetainedStreamCombi([filter])
    }

    createRetainedStreamCombi(filters: readonly string[]): Readable {
      return Readable.from(retainedPackets(shadow, filters))
    }

    // Aedes stores all filters of a SUBSCRIBE for each filter that is granted, before it asks for the next one. A
    // denied filter would be stored, too, and deliver at reconnect.
    override async addSubscriptions(client: Subscribing, subscriptions: readonly Subscription[]): Promise<void> {
      if (this.#stored.has(subscriptions)) return
      this.#stored.add(subscriptions)
      await undefined // by then Aedes has asked for all of them
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
      // QoS 0 is within every subscription's QoS, and the client is connected.
      yield { cmd: 'publish', topic, payload: Buffer.from(payload), qos: 0, retain: true }
    }
  }
}
