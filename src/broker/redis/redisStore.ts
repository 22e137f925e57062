// What Redis holds of sessions besides their queues: filters, incoming QoS 2 messages and wills, which
// aedes-persistence-redis keeps. Its commands go over the link: each is answered or fails within 2 s, and a fault of a
// command that the library does not wait for is ignored. Its keys get our prefix, so that an ACL user needs no others;
// each command is on one key, as a cluster wants it.

import RedisPersistence from 'aedes-persistence-redis/asyncPersistence.js'
import { redisClientsKey, redisCommands } from '../internals.ts'
import { redisAnswerMs } from './limits.ts'
import type { RedisLink } from './redisLink.ts'

interface Client {
  readonly id: string
}

interface Filter {
  readonly topic: string
  readonly qos: number
}

export interface Will {
  readonly topic: string
  readonly payload: Buffer
  readonly qos: number
  readonly retain: boolean
  /** The library sets both. */
  brokerId?: string
  clientId?: string
}

/** What we use of the library. */
export interface RedisStore {
  setup(broker: object): Promise<void>
  addSubscriptions(client: Client, subscriptions: readonly Filter[]): Promise<void>
  removeSubscriptions(client: Client, filters: readonly string[]): Promise<void>
  subscriptionsByClient(client: Client): Promise<Filter[]>
  cleanSubscriptions(client: Client): Promise<void>
  incomingStorePacket(client: Client, packet: object): Promise<void>
  incomingGetPacket(client: Client, packet: object): Promise<object>
  incomingDelPacket(client: Client, packet: object): Promise<void>
  cleanIncoming(client: Client): Promise<void>
  putWill(client: Client, will: Will): Promise<void>
  delWill(client: Client & { readonly brokerId: string }): Promise<Will | null>
  streamWill(brokers: Readonly<Record<string, number>>): AsyncIterable<Will>
}

type Commands = Record<string, (key: string, ...args: unknown[]) => Promise<unknown>>

const keyPrefix = 'chargelift:'
/** Of the set of all client ids with filters. */
export const clientsKey = keyPrefix + redisClientsKey

/** Until its `setup`, with a `loneBroker`, it only reads. */
export function redisStore(link: RedisLink): RedisStore {
  const options = { conn: connectionOver(link), cluster: link.isCluster }
  return new (RedisPersistence as unknown as new (options: object) => RedisStore)(options)
}

/** Bounds the time of several commands to that of one. After it `work` goes on by itself. */
export async function inTime<T>(work: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(() => late.reject(new Error('Redis is slow')), redisAnswerMs)
  return Promise.race([work, late.promise]).finally(() => clearTimeout(timer))
}

function connectionOver(link: RedisLink): object {
  const commands = redisCommands.map(name => [
    name,
    (key: string, ...args: unknown[]): Promise<unknown> => {
      const answer = link.ask(redis => (redis as unknown as Commands)[name]!(keyPrefix + key, ...args))
      answer.catch(() => {}) // the library does not wait for all of its lrem and rpush
      return answer
    }
  ])
  // The library asks in `setup` alone, and would read the filters of all these clients: we do, whenever Redis is there.
  return { ...Object.fromEntries(commands), smembers: async () => [] }
}
