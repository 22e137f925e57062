// Where Aedes keeps its sessions: in memory, or in the Redis of several servers.

import {
  type MaySubscribe,
  type OpenPersistence,
  openMemory,
  type PersistenceClass,
  withShadow
} from './aedes/persistence.ts'
import { openBus } from './redis/redisBus.ts'
import type { RedisLink } from './redis/redisLink.ts'
import { SharedPersistence } from './redis/sharedPersistence.ts'
import type { Shadow } from './shadow.ts'

export interface PersistenceOptions {
  readonly shadow: Shadow
  readonly maySubscribe: MaySubscribe
  /** To the Redis of several servers; undefined = in memory. */
  readonly link: RedisLink | undefined
  /** A clean=false session that another server has, or that was there before. */
  readonly known: (clientId: string) => void
  readonly failed: (error: Error) => void
}

export function openPersistence(options: PersistenceOptions): OpenPersistence {
  const { link, shadow, maySubscribe, known, failed } = options
  if (link === undefined) return openMemory(shadow, maySubscribe)
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
