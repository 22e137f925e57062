// Which servers are connected to the same Redis. When one ends without a word, its last tenth of a second is in the
// database and not in Redis: one of the others reads it from the database.

import type { RedisLink } from '../../broker/redis/redisLink.ts'

const aliveMs = 1_000
const silentMs = 3_000
/** Other servers leave a repair alone for this long after one has begun it. */
const repairSeconds = 30

export interface PeersOptions {
  readonly link: RedisLink
  /** Another server ended, or is silent: takes over what the database knows of it. */
  readonly repair: () => Promise<void>
  readonly failed: (error: Error) => void
}

/** Says that this server lives, and listens to the others, until the returned function is called. */
export function watchPeers({ link, repair, failed }: PeersOptions): () => void {
  /** By run: when it was last heard, on the monotonic clock. */
  const peers = new Map<string, number>()
  const gone = (run: string): void => {
    peers.delete(run)
    repairOnce(link, run, repair).catch(failed)
  }
  link.on('alive', body => peers.set(body.toString(), performance.now()))
  link.on('bye', body => gone(body.toString()))
  let heardSinceMs = performance.now()
  const timer = setInterval(() => {
    const nowMs = performance.now()
    link.tell('alive', link.run)
    if (!link.isReachable) heardSinceMs = nowMs // then nobody is heard
    if (nowMs - heardSinceMs < silentMs) return
    for (const [run, atMs] of peers) if (nowMs - Math.max(atMs, heardSinceMs) > silentMs) gone(run)
  }, aliveMs).unref()
  return () => clearInterval(timer)
}

async function repairOnce(link: RedisLink, run: string, repair: () => Promise<void>): Promise<void> {
  const mine = await link.ask(redis => redis.set(`chargelift:repair:${run}`, link.run, 'EX', repairSeconds, 'NX'))
  if (mine !== null) await repair()
}
