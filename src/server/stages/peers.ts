// The other servers of this database: the link through Redis, the shadow that all share, which servers are alive, and
// what the database knows of their last values and connections.

import type { Pool } from 'pg'
import type { Broker } from '../../broker/broker.ts'
import { RedisLink } from '../../broker/redis/redisLink.ts'
import type { Shadow } from '../../broker/shadow.ts'
import { atMost } from '../../model/atMost.ts'
import { stopRestMs } from '../limits.ts'
import { watchNodes } from '../peers/nodes.ts'
import { watchPeers } from '../peers/peers.ts'
import { SharedShadow } from '../peers/sharedShadow.ts'
import { loadConnections } from '../store/connections.ts'
import { loadLatest } from '../store/latest.ts'
import { type Startup, whenDatabaseAnswers } from './startup.ts'

/** The link comes before the broker, which keeps sessions in Redis. Undefined without --redis-url. */
export async function openPeerLink(
  { config, log, lifetime }: Startup,
  open: (options: Parameters<typeof RedisLink.open>[0]) => Promise<RedisLink> = options => RedisLink.open(options)
): Promise<RedisLink | undefined> {
  if (config.redisUrl === undefined) return undefined
  const link = await open({
    url: config.redisUrl,
    node: config.nodeId,
    away: ({ message }) => log.error({ event: 'redis_away', reason: message }, 'Redis is away: nothing is shared'),
    restored: () => log.info({ event: 'redis_back' }, 'Redis is back')
  })
  lifetime.owns(() => link.close())
  return link
}

export interface PeerNeeds {
  readonly db: Pool
  readonly link: RedisLink | undefined
  readonly shadow: Shadow
  readonly presence: Pick<Broker['presence'], 'load' | 'goneElsewhere' | 'tellAgain'>
}

/** Takes over what others stored, and from then on hears what they store. */
export async function joinPeers(startup: Startup, { db, link, shadow, presence }: PeerNeeds): Promise<void> {
  const { config, log, lifetime } = startup
  const shared = link && new SharedShadow({ link, shadow })
  lifetime.owns(() => shared?.close())
  const takeOver = async (): Promise<void> => {
    for await (const newest of loadLatest(db)) shadow.advance(newest, 'loaded')
  }
  await shared?.load().catch(() => {}) // then from the database alone
  const connections = await whenDatabaseAnswers(startup, async () => {
    await takeOver()
    return loadConnections(db)
  })
  presence.load(connections)
  const repairFailed = ({ message }: Error): void =>
    log.warn({ event: 'repair_failed', reason: message }, 'last values of another server not read')
  const stopPeers = link && watchPeers({ link, repair: takeOver, failed: repairFailed })
  lifetime.owns(() => stopPeers?.())
  const stopNodes = watchNodes({
    db,
    node: config.nodeId,
    silentMs: config.nodeSilentMs,
    gone: (charger, sinceUs) => presence.goneElsewhere(charger, sinceUs),
    wasTakenOut: () => presence.tellAgain(),
    failed: ({ message }) =>
      log.warn({ event: 'nodes_failed', reason: message }, 'which servers are alive was not read')
  })
  lifetime.owns(() => atMost(stopRestMs, stopNodes()))
}
