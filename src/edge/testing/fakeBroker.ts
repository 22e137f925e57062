// An MQTT server for the tests of the edge, with real TLS, client certificates, and every misbehaviour that a test
// needs. It records the messages and the number of TLS records (one per socket write of the edge). It acknowledges when
// the test says so. It serves retained messages and a stamped copy of Connection to subscribers.

import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer, type TLSSocket, type Server as TlsServer } from 'node:tls'
import {
  type IConnectPacket,
  type IPublishPacket,
  type ISubscribePacket,
  type Packet,
  parser,
  writeToStream
} from 'mqtt-packet'
import type { Keyed } from './certificates.ts'

export interface Published {
  readonly connection: number
  readonly topic: string
  readonly name: string
  readonly value: unknown
  readonly timeMs: number
  readonly retain: boolean
  readonly dup: boolean
  readonly qos: number
  readonly ack: () => void
}

export interface Status {
  readonly connection: number
  readonly topic: string
  readonly retain: boolean
  readonly qos: number
  readonly dup: boolean
  readonly status: Readonly<Record<string, unknown>>
}

export interface FakeBrokerOptions extends Keyed {
  readonly ca: string
}

export class FakeBroker {
  /** All messages in order of arrival. */
  readonly published: Published[] = []
  readonly connects: IConnectPacket[] = []
  readonly resumed: boolean[] = []
  /** The number of opened connections. */
  accepted = 0
  /** The number of all TLS application-data records from edges. A socket write below 16 KB is one record. */
  records = 0
  /** The CONNACK code. 'silent' sends no CONNACK. */
  connack: number | 'silent' = 0
  /** Whether a publish is acknowledged at once. */
  acks = true
  /** Whether messages are kept in `published`. They are counted in any case. */
  keeps = true
  publishes = 0
  /** The statuses and values in order of arrival, as `CONNECTION NAME retained|backlog`. */
  readonly order: string[] = []
  /** Decides at which message the connection is closed without an acknowledgement. */
  closesAt: (message: Published) => boolean = () => false
  /** The EdgeStatus messages. They are counted and kept here and not among the values. */
  readonly statuses: Status[] = []
  /** The retained payloads by topic. Subscribers get them. */
  readonly retained = new Map<string, string>()
  /** The message that follows SUBACK on a subscription to Connection. Undefined: no message follows. */
  connectionCopy: () => string | undefined = () => `{"SamplingTime":"${new Date().toISOString()}","Value":"online"}`
  /** Whether SUBSCRIBE is answered. `refuses` holds the topics that are refused. */
  subacks = true
  readonly refuses = new Set<string>()
  /** Whether retained values wait for `releaseRetained`. They may come well after SUBACK. */
  holdsRetained = false
  /** The topics in the order of SUBSCRIBE. `unsubscribed` holds the topics of UNSUBSCRIBE. */
  readonly subscribed: string[] = []
  readonly unsubscribed: string[] = []
  /** The largest number of unacknowledged messages of a connection. */
  windowMax = 0
  /** The length in bytes of the longest packet of an edge. */
  packetBytesMax = 0
  goodbyes = 0
  readonly #tls: TlsServer
  readonly #front: Server
  readonly #sockets = new Set<Socket>()
  readonly #clients = new Set<TLSSocket>()
  readonly #waiting = new Set<() => void>()
  #held: (() => void)[] = []

  private constructor(options: FakeBrokerOptions) {
    this.#tls = createTlsServer(
      { ca: options.ca, cert: options.cert, key: options.key, requestCert: true, rejectUnauthorized: true },
      socket => this.#serve(socket)
    )
    this.#tls.on('tlsClientError', () => {})
    this.#front = createServer(socket => this.#countAndForward(socket))
  }

  static async start(options: FakeBrokerOptions, port = 0): Promise<FakeBroker> {
    const broker = new FakeBroker(options)
    broker.#tls.listen(0, '127.0.0.1')
    await once(broker.#tls, 'listening')
    broker.#front.listen(port, '127.0.0.1')
    await once(broker.#front, 'listening')
    return broker
  }

  get port(): number {
    return (this.#front.address() as AddressInfo).port
  }

  /** Resolves as soon as the condition holds. The condition is checked after every event of the broker. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      await new Promise<void>(resolve => {
        const done = () => {
          clearTimeout(timer)
          this.#waiting.delete(done)
          resolve()
        }
        // The timer checks conditions that change outside of the broker.
        const timer = setTimeout(done, 20)
        this.#waiting.add(done)
      })
    }
  }

  releaseRetained(): void {
    for (const send of this.#held.splice(0)) send()
  }

  /** Cuts every connection without a DISCONNECT. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  async stop(): Promise<void> {
    const closed = [once(this.#front, 'close'), once(this.#tls, 'close')]
    this.#front.close()
    this.#tls.close()
    this.cut()
    await Promise.all(closed)
  }

  #happened(): void {
    for (const wake of [...this.#waiting]) wake()
  }

  #countAndForward(edge: Socket): void {
    const tls = connect((this.#tls.address() as AddressInfo).port, '127.0.0.1')
    for (const socket of [edge, tls]) {
      this.#sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => {
        this.#sockets.delete(socket)
        edge.destroy()
        tls.destroy()
        this.#happened()
      })
    }
    const count = recordCounter(() => {
      this.records++
    })
    edge.on('data', count)
    edge.pipe(tls)
    tls.pipe(edge)
    this.accepted++
    this.#happened()
  }

  #serve(socket: TLSSocket): void {
    const connection = this.resumed.push(socket.isSessionReused())
    const parse = parser({ protocolVersion: 4 })
    let open = 0
    this.#clients.add(socket)
    socket.on('close', () => this.#clients.delete(socket))
    socket.on('error', () => {})
    socket.on('data', chunk => parse.parse(chunk))
    parse.on('packet', packet => {
      this.packetBytesMax = Math.max(this.packetBytesMax, packet.length ?? 0)
      this.#answer(socket, packet, connection, change => {
        open += change
        this.windowMax = Math.max(this.windowMax, open)
      })
      this.#happened()
    })
  }

  #answer(socket: TLSSocket, packet: Packet, connection: number, inFlight: (change: number) => void): void {
    if (packet.cmd === 'connect') {
      this.connects.push(packet)
      if (this.connack === 'silent') return
      writeToStream({ cmd: 'connack', returnCode: this.connack, sessionPresent: false }, socket)
      if (this.connack > 0) socket.end()
    } else if (packet.cmd === 'pingreq') {
      writeToStream({ cmd: 'pingresp' }, socket)
    } else if (packet.cmd === 'disconnect') {
      this.goodbyes++
    } else if (packet.cmd === 'subscribe') {
      this.#subscribe(socket, packet)
    } else if (packet.cmd === 'unsubscribe') {
      this.unsubscribed.push(...packet.unsubscriptions)
      writeToStream({ cmd: 'unsuback', messageId: packet.messageId! } as Packet, socket)
    } else if (packet.cmd === 'publish') {
      this.#take(socket, packet, connection, inFlight)
    }
  }

  #take(socket: TLSSocket, packet: IPublishPacket, connection: number, inFlight: (change: number) => void): void {
    inFlight(1)
    const ack = () => {
      inFlight(-1)
      writeToStream({ cmd: 'puback', messageId: packet.messageId! }, socket)
    }
    if (packet.topic.endsWith('/EdgeStatus')) {
      const { topic, retain, qos, dup } = packet
      this.statuses.push({ connection, topic, retain, qos, dup, status: JSON.parse(packet.payload.toString()) })
    } else {
      this.publishes++
      const message = read(packet, connection, ack)
      if (this.closesAt(message)) return void socket.end()
      if (this.keeps) this.published.push(message)
    }
    if (this.keeps)
      this.order.push(`${connection} ${packet.topic.split('/')[2]} ${packet.retain ? 'retained' : 'backlog'}`)
    if (this.acks) ack()
  }

  #subscribe(socket: TLSSocket, { messageId, subscriptions }: ISubscribePacket): void {
    const topics = subscriptions.map(({ topic }) => topic)
    this.subscribed.push(...topics)
    if (!this.subacks) return
    const granted = topics.map(topic => (this.refuses.has(topic) ? 0x80 : 0))
    writeToStream({ cmd: 'suback', messageId: messageId!, granted }, socket)
    for (const topic of topics.filter((_, i) => granted[i] === 0)) this.#sendRetained(socket, topic)
  }

  #sendRetained(socket: TLSSocket, topic: string): void {
    const isConnection = topic.endsWith('/Connection')
    const payload = isConnection ? this.connectionCopy() : this.retained.get(topic)
    if (payload === undefined) return
    const send = () => this.tell(topic, payload, true, socket)
    if (this.holdsRetained && !isConnection) this.#held.push(send)
    else send()
  }

  /** Sends a message to all connections or to one. */
  tell(topic: string, payload: string, retain: boolean, to?: TLSSocket): void {
    for (const socket of to ? [to] : this.#clients) {
      writeToStream({ cmd: 'publish', topic, payload, qos: 0, retain, dup: false }, socket)
    }
  }
}

function read(packet: IPublishPacket, connection: number, ack: () => void): Published {
  const { SamplingTime, Value } = JSON.parse(packet.payload.toString())
  return {
    connection,
    topic: packet.topic,
    name: packet.topic.split('/')[2] ?? '',
    value: Value,
    timeMs: Date.parse(SamplingTime),
    retain: packet.retain,
    dup: packet.dup,
    qos: packet.qos,
    ack
  }
}

const applicationData = 0x17
const headerBytes = 5

/** Counts the application-data records of a TLS stream. */
function recordCounter(onRecord: () => void): (chunk: Buffer) => void {
  let rest = Buffer.alloc(0)
  return chunk => {
    rest = Buffer.concat([rest, chunk])
    while (rest.length >= headerBytes && rest.length >= headerBytes + rest.readUInt16BE(3)) {
      if (rest[0] === applicationData) onRecord()
      rest = rest.subarray(headerBytes + rest.readUInt16BE(3))
    }
  }
}
