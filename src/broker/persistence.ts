// What Aedes keeps: sessions, subscriptions, offline queues and wills, in memory or in Redis; retained messages are
// the shadow's and are never stored here. A subscription that may not be read is never stored either.

import { Readable } from 'node:stream'
import MemoryPersistence from 'aedes-persistence/asyncPersistence.js'
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
}

// Aedes' persistences have no common type: what is overridden here is in the interface, the rest is theirs.
type PersistenceClass = new (options: object) => SessionPersistence

export interface PersistenceOptions {
  readonly shadow: Shadow
  readonly maySubscribe: (client: Subscribing, filter: string) => boolean
  readonly redisUrl: string | undefined
}

/** An instance for Aedes' option `persistence`. */
export async function openPersistence({ shadow, maySubscribe, redisUrl }: PersistenceOptions): Promise<object> {
  if (redisUrl === undefined) return new (withShadow(MemoryPersistence as PersistenceClass, shadow, maySubscribe))({})
  const [{ Redis }, { default: RedisPersistence }] = await Promise.all([
    import('ioredis'),
    import('aedes-persistence-redis/asyncPersistence.js')
  ])
  return new (withShadow(RedisPersistence as PersistenceClass, shadow, maySubscribe))({ conn: new Redis(redisUrl) })
}

function withShadow(Base: PersistenceClass, shadow: Shadow, maySubscribe: PersistenceOptions['maySubscribe']) {
  return class ShadowedPersistence extends Base {
    async storeRetained(): Promise<void> {} // only committed telemetry is retained, and the shadow has it

    createRetainedStream(filter: string): Readable {
      return this.createRetainedStreamCombi([filter])
    }

    createRetainedStreamCombi(filters: readonly string[]): Readable {
      return Readable.from(retainedPackets(shadow, filters))
    }

    // Aedes stores all filters of a SUBSCRIBE when one of them is granted: a denied one would deliver at reconnect.
    override async addSubscriptions(client: Subscribing, subscriptions: readonly Subscription[]): Promise<void> {
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
