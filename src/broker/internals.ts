// Everything that the broker assumes about the insides of its dependencies: names and behaviour that no documentation
// promises. `internals.test.ts` proves each assumption against the real dependency, one test each: after an update of a
// dependency, that test says what has changed. The file lies at the root because every room needs it, and the gate may
// not import from `aedes/`. It imports no room, and of the dependencies only what it changes.

import { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { writeToStream } from 'mqtt-packet'

// --- Node: TLS sockets

interface ReadSymbols {
  readonly buffer: symbol
  readonly callback: symbol
}

interface TlsInside {
  [symbol: symbol]: unknown
  readonly _handle?: { useUserBuffer?(buffer: Buffer): void } | null
  readonly _parent?: Socket
}

/**
 * Node reads a socket into one given buffer: what the option `onread` of tls.connect sets, for sockets that a server
 * has accepted. `received` gets the number of bytes, and returns true. False where Node has other names: then nothing
 * has changed.
 */
export function readInto(socket: TLSSocket, buffer: Buffer, received: (bytes: number) => boolean): boolean {
  const inside = socket as unknown as TlsInside
  const symbols = readSymbolsOf(socket)
  if (symbols === undefined || typeof inside._handle?.useUserBuffer !== 'function') return false
  inside[symbols.buffer] = buffer
  inside[symbols.callback] = received
  inside._handle.useUserBuffer(buffer)
  return true
}

let readSymbols: ReadSymbols | undefined

function readSymbolsOf(socket: object): ReadSymbols | undefined {
  if (readSymbols !== undefined) return readSymbols
  const symbols = Object.getOwnPropertySymbols(socket)
  const buffer = symbols.find(({ description }) => description === 'kBuffer')
  const callback = symbols.find(({ description }) => description === 'kBufferCb')
  if (buffer !== undefined && callback !== undefined) readSymbols = { buffer, callback }
  return readSymbols
}

/**
 * The TCP socket below a TLS socket of a server. If its address was read once, it still knows the address when the TLS
 * socket has failed or closed, and the TLS socket knows none.
 */
export const tcpBelow = (socket: TLSSocket): Socket => (socket as unknown as { _parent: Socket })._parent

// --- mqtt-packet

/** mqtt-packet keeps 65,536 buffers of two bytes, 8 MB. To write the two bytes anew costs no more. */
export function dropNumberCache(): void {
  writeToStream.cacheNumbers = false
}

// --- Aedes: the broker

export interface Emitter {
  emit(message: object, done: () => void): void
}

interface AedesInside {
  readonly clients: Record<string, object | undefined>
  readonly mq: Emitter
  on(name: 'error', failed: (error: Error) => void): void
}

/** Whether a client with this id is connected. */
export const isConnected = (aedes: object, clientId: string): boolean =>
  (aedes as AedesInside).clients[clientId] !== undefined

/** Messages given to this emitter reach the connected subscribers, past the search for sessions that are away. */
export const emitterOf = (aedes: object): Emitter => (aedes as AedesInside).mq

/** A failing persistence is an 'error' event of the broker: without a listener it ends the process. */
export const onBrokerError = (aedes: object, failed: (error: Error) => void): void =>
  (aedes as AedesInside).on('error', failed)

// --- Aedes: CONNECT, SUBSCRIBE

/** The packet of the hook `preConnect`. Aedes goes on with what the hook leaves in it. */
export interface ConnectPacket {
  readonly clientId: string
  /** Seconds; at 0 Aedes starts no timer. */
  keepalive: number
  /** Aedes forgets a will that the hook deletes. */
  will?: { readonly topic: string }
}

export const connectPacketOf = (packet: object): ConnectPacket => packet as ConnectPacket

/** An error with a return code of 2 to 5, passed to the callback of `authenticate`, is the return code of CONNACK. */
export const refusalWith = (error: Error, returnCode: 2 | 3): Error => Object.assign(error, { returnCode })

/** In the event 'subscribe' a denied filter has this QoS, as in SUBACK. */
export const deniedQos = 128

// --- Aedes: deliveries

/** A message as Aedes gives it to `deliver0`: a copy of its own for each subscription. */
export interface Delivered {
  readonly topic: string
  payload: Buffer | string
  readonly retain: boolean
  /** The publishing broker, and the number of its message; null for a retained message. */
  readonly brokerId: string | null
  readonly brokerCounter: number
}

export interface ClientInside {
  /** Aedes calls it for each message of QoS 0, as a method of the client, and waits for `done`. It may be replaced. */
  deliver0: (packet: Delivered, done: () => void) => void
  /** Per broker the number of the newest message delivered: if two subscriptions match, the client gets one copy. */
  readonly duplicates: Record<string, number>
}

export const insideOfClient = (client: object): ClientInside => client as ClientInside

/** Only a message from the queue of a session has a message id when the hook `authorizeForward` gets it. */
export const isQueued = (packet: object): boolean => (packet as { messageId?: number }).messageId !== undefined

// --- mqemitter-redis

interface RedisEmitterInside {
  _emit(message: object, done: () => void): void
  readonly state: EventEmitter
}

const nothing = (): void => {}

/** To the subscribers of this process alone. */
export const emitLocally = (mq: object, message: object): void => (mq as RedisEmitterInside)._emit(message, nothing)

/** A fault of a connection is an 'error' event of `state`: without a listener it ends the process. */
export const ignoreFaults = (mq: object): void => {
  ;(mq as RedisEmitterInside).state.on('error', nothing)
}

/**
 * The two connections that mqemitter-redis wants, without Redis: every message that it publishes goes to `say` and
 * comes back at once. `hear` takes what others have published.
 */
export function emitterConnections(say: (body: Buffer) => void) {
  const subConn = new Subscriptions()
  const hear = (body: Buffer): boolean => subConn.emit('messageBuffer', channel, body)
  const pubConn = Object.assign(new EventEmitter(), {
    async publish(_topic: string, body: Buffer): Promise<number> {
      hear(body)
      say(body)
      return 1
    },
    async quit(): Promise<void> {
      pubConn.emit('end')
    }
  })
  return { subConn, pubConn, hear }
}

const channel = Buffer.from('emit')

/** Whatever is subscribed to: everything is heard. The method names are those of ioredis that mqemitter-redis calls. */
class Subscriptions extends EventEmitter {
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

// --- aedes-persistence-redis

/** The commands of ioredis that it calls for what we use: filters, incoming QoS 2 messages, wills. */
export const redisCommands = [
  ...['sadd', 'srem', 'exists', 'del', 'hmsetBuffer', 'hgetallBuffer', 'hset', 'hgetBuffer', 'hdel'],
  ...['lrem', 'rpush', 'lrange', 'setBuffer', 'getBuffer']
] as const

/** It asks for the members of one set alone, in `setup`: the client ids whose filters it reads then. */
export const redisClientsKey = 'clients'

type Hear = (packet: { topic: string; payload: string }, done: () => void) => void

/**
 * The broker for its `setup`. The library publishes each change of filters, waits until it hears the change itself, and
 * puts it into its own copy of all filters. Our servers tell each other and have a copy of their own: so the library
 * hears itself at once, without the QoS that would make it keep the filter, and no other server hears it.
 */
export function loneBroker(id: string): object {
  let hear: Hear
  return {
    id,
    subscribe(_topic: string, hearing: Hear, done: () => void) {
      hear = hearing
      done()
    },
    publish({ topic, payload }: { topic: string; payload: string }, done: () => void) {
      const { clientId, subs } = JSON.parse(payload)
      hear({ topic, payload: JSON.stringify({ clientId, subs: [{ topic: subs[0].topic }] }) }, done)
    }
  }
}
