// Aedes' messages between servers: takeovers, commands, and what clean=false subscribers are to get. mqemitter-redis
// carries them over the one channel of the link: a subscription of a client costs Redis nothing, while one pattern for
// each would make every message dearer. A server hears its own messages at once, also while Redis is away.

import mqemitterRedis from 'mqemitter-redis'
import type { Bus } from '../aedes/persistence.ts'
import * as internals from '../internals.ts'
import type { RedisLink } from './redisLink.ts'

export function openBus(link: RedisLink): Bus {
  const { subConn, pubConn, hear } = internals.emitterConnections(body => link.tell('emit', body))
  link.on('emit', hear)
  const mq = mqemitterRedis({ subConn: subConn as never, pubConn: pubConn as never, matchEmptyLevels: true })
  internals.ignoreFaults(mq) // the link reports them
  return { mq, emitHere: message => internals.emitLocally(mq, message) }
}
