// Aedes' messages between servers: takeovers, commands, what clean=false subscribers are to get. mqemitter-redis carries them, on
// the one channel of the link: a subscription of a client costs Redis nothing, where one pattern each made every message dearer.
// What this server says it hears at once itself, and so also while Redis is away.

import { EventEmitter } from 'node:events'
import mqemitterRedis from 'mqemitter-redis'
import type { RedisLink } from './redisLink.ts'

interface Message {
  readonly topic: string
}

export interface Bus {
  /** For Aedes' `mq`. */
  readonly mq: object
  /** To the subscribers of this server alone. */
  emitHere(message: Message): void
}

type Emitter = { _emit(message: Message, done?: () => void): void }

const done = (): void => {}

export function openBus(link: RedisLink): Bus {
  const heard = new Hearing()
  link.on('emit', body => heard.emit('messageBuffer', channel, body))
  const said = Object.assign(new EventEmitter(), {
    async publish(_topic: string, payload: Buffer): Promise<number> {
      heard.emit('messageBuffer', channel, payload)
      link.tell('emit', payload)
      return 1
    },
    async quit(): Promise<void> {
      said.emit('end')
    }
  })
  const mq = mqemitterRedis({ subConn: heard as never, pubConn: said as never, matchEmptyLevels: true })
  ;(mq as unknown as { state: EventEmitter }).state.on('error', done) // the link tells
  return { mq, emitHere: message => (mq as unknown as Emitter)._emit(message, done) }
}

const channel = Buffer.from('emit')

/** Whatever is subscribed to: everything is heard. */
class Hearing extends EventEmitter {
  psubscribe(_pattern: string, subscribed: () => void): void {
    subscribed()
  }

  subscribe(_topic: string, subscribed: () => void): void {
    subscribed()
  }

  punsubscribe(_pattern: string, unsubscribed: () => void): void {
    unsubscribed()
  }

  unsubscribe(_topic: string, unsubscribed: () => void): void {
    unsubscribed()
  }

  async quit(): Promise<void> {
    this.emit('end')
  }
}
