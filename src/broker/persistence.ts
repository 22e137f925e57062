// What Aedes keeps: sessions, subscriptions, offline queues and wills, in memory or in Redis; retained messages are
// the shadow's and are never stored here. A subscription that may not be read is never stored either.

import { Readable } from 'node:stream'
import MemoryPersistence from 'aedes-persistence/asyncPersistence.js'
import { offlineQueueMessagesMax } from '../model/limits.ts'
import { OfflineQueue, type QueuedPacket } from './offlineQueue.ts'
import type { Shadow } from './shadow.ts'

interface Subscribing {
  readonly id: string
}

interface Subscription {
  readonly topic: string
  readonly qos: number
}

interface SessionPersistence {
  delWill(client: Subscribing): Promise<unknown>
  addSubscriptions(client: Subscribing, subscriptions: readonly Subscription[]): Promise<void>
  removeSubscriptions(client: Subscribing, filters: readonly string[]): Promise<void>
  cleanSubscriptions(client: Subscribing): Promise<void>
}

// Aedes' persistences have no common type: what is overridden here is in the interface, the rest is theirs.
type PersistenceClass = new (options: object) => SessionPersistence

export interface PersistenceOptions {
  readonly shadow: Shadow
  readonly maySubscribe: (client: Subscribing, filter: string) => boolean
  readonly redisUrl: string | undefined
  /** A connection to Redis failed. */
  readonly failed: (error: Error) => void
}

/** What Aedes' options take, and how to let go of it after Aedes is closed. */
export interface OpenPersistence {
  readonly persistence: object
  /** The message emitter; absent = Aedes' own, in memory. */
  readonly mq?: object
  forgetSubscription(clientId: string, filter: string): Promise<void>
  forgetSession(clientId: string): Promise<void>
  /** False while Redis is away: what is published then would pile up in memory. */
  isReachable(): boolean
  /** Messages that clean=false subscribers did not get because too many waited. */
  offlineDropped(): number
  close(): void
}

export async function openPersistence(options: PersistenceOptions): Promise<OpenPersistence> {
  if (options.redisUrl !== undefined) return openRedis(options.redisUrl, options)
  const { shadow, maySubscribe } = options
  const queue = new OfflineQueue()
  const Persistence = withShadow(withQueue(MemoryPersistence as PersistenceClass, queue), shadow, maySubscribe)
  const persistence = new Persistence({})
  return {
    persistence,
    forgetSubscription: (id, filter) => persistence.removeSubscriptions({ id }, [filter]),
    forgetSession: id => persistence.cleanSubscriptions({ id }),
    isReachable: () => true,
    offlineDropped: () => queue.dropped,
    close() {}
  }
}

async function openRedis(url: string, { shadow, maySubscribe, failed }: PersistenceOptions): Promise<OpenPersistence> {
  const [{ Redis }, { default: RedisPersistence }, { default: emitterOf }] = await Promise.all([
    import('ioredis'),
    import('aedes-persistence-redis/asyncPersistence.js'),
    import('mqemitter-redis')
  ])
  // Aedes' parts drop promises of commands (removals of wills, a quit): one that fails would end the process. Whoever waits
  // for a command still sees its fault.
  class Connection extends Redis {
    override sendCommand(...args: Parameters<InstanceType<typeof Redis>['sendCommand']>): unknown {
      const sent = super.sendCommand(...args) as Promise<unknown>
      sent.catch(() => {})
      args[0].promise.catch(() => {})
      return sent
    }
  }
  const connections: Connection[] = []
  // Waits for a Redis that is away, at the start too, and says so once until it is back: an 'error' without a listener
  // ends the process.
  const open = (): Connection => {
    const redis = new Connection(url, { maxRetriesPerRequest: null })
    let isAway = false
    redis.on('ready', () => {
      isAway = false
    })
    redis.on('error', error => {
      if (!isAway) failed(new Error(`Redis is away: ${error.message}`, { cause: error }))
      isAway = true
    })
    connections.push(redis)
    return redis
  }
  const conn = open()
  const pubConn = open()
  const mq = emitterOf({ subConn: open(), pubConn, matchEmptyLevels: true })
  ;(mq as unknown as { state: NodeJS.EventEmitter }).state.on('error', () => {}) // its connections tell
  const persistence = new (withForgivingWills(withShadow(RedisPersistence as PersistenceClass, shadow, maySubscribe)))({
    conn,
    maxSessionDelivery: offlineQueueMessagesMax
  })
  return {
    persistence,
    forgetSubscription: (id, filter) => persistence.removeSubscriptions({ id }, [filter]),
    forgetSession: id => persistence.cleanSubscriptions({ id }),
    mq,
    isReachable: () => conn.status === 'ready' && pubConn.status === 'ready',
    offlineDropped: () => 0, // Redis keeps the queues, and does not tell
    close: () => {
      for (const connection of connections) connection.disconnect()
    }
  }
}

/** Aedes' own queues in memory have no bound, and search for each acknowledgement. */
function withQueue(Base: PersistenceClass, queue: OfflineQueue): PersistenceClass {
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

    override async cleanSubscriptions(client: Subscribing): Promise<void> {
      queue.forget(client.id)
      await super.cleanSubscriptions(client)
    }
  }
}

/** Aedes waits for this one before a CONNECT's will is stored, and does not look at whether it failed. */
function withForgivingWills(Base: PersistenceClass): PersistenceClass {
  return class ForgivingPersistence extends Base {
    override async delWill(client: Subscribing): Promise<unknown> {
      return super.delWill(client).catch(() => undefined)
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
