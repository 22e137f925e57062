// A raw MQTT 3.1.1 client over TLS for tests. It sends exactly the packets that the test gives it and keeps every
// packet that it receives.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { connect, type TLSSocket } from 'node:tls'
import mqttPacket, { type Packet } from 'mqtt-packet'

export interface WireOptions {
  readonly certs: string
  /** The name of the certificate. Undefined: the client sends no certificate. */
  readonly name: string | undefined
  readonly port: number
  readonly clientId: string
  readonly clean: boolean
  readonly will: { topic: string; payload: string }
}

type Given = Partial<WireOptions> & Pick<WireOptions, 'certs' | 'name' | 'port' | 'clientId'>

export class WireClient {
  readonly received: Packet[] = []
  closed = false
  socket!: TLSSocket
  readonly #options: Given
  readonly #waiters = new Set<() => void>()
  #messageId = 0

  constructor(options: Given) {
    this.#options = options
  }

  /**
   * Opens TLS, sends CONNECT and waits for the CONNACK. Resolves with the return code, or with undefined if the
   * connection was closed.
   */
  async connect(): Promise<number | undefined> {
    await this.open()
    const { clientId, clean = true, will } = this.#options
    this.send({
      cmd: 'connect',
      protocolId: 'MQTT',
      protocolVersion: 4,
      clientId,
      clean,
      keepalive: 60,
      ...(will && { will: { topic: will.topic, payload: Buffer.from(will.payload), qos: 1, retain: true } })
    })
    await this.wait(() => this.closed || this.received.some(({ cmd }) => cmd === 'connack'))
    const connack = this.received.find(packet => packet.cmd === 'connack')
    return connack?.cmd === 'connack' ? (connack.returnCode ?? undefined) : undefined
  }

  /** Opens TLS only and sends no packet. */
  async open(): Promise<void> {
    const { certs, name, port } = this.#options
    const file = (path: string): Buffer => readFileSync(join(certs, path))
    const own = name === undefined ? {} : { cert: file(`devices/${name}.pem`), key: file(`devices/${name}.key`) }
    const socket = connect({ host: '127.0.0.1', port, ca: file('ca.pem'), ...own })
    this.socket = socket
    const parser = mqttPacket.parser({ protocolVersion: 4 } as never)
    parser.on('packet', packet => {
      this.received.push(packet)
      this.#wake()
    })
    socket.on('data', chunk => parser.parse(chunk))
    socket.on('error', () => {})
    socket.on('close', () => {
      this.closed = true
      this.#wake()
    })
    await new Promise<void>(resolve => {
      socket.once('secureConnect', resolve)
      socket.once('close', () => resolve())
    })
  }

  /** Sends a PUBLISH. Returns its message id, or 0 for QoS 0. */
  publish(topic: string, payload: string | Buffer, { qos = 1, dup = false, messageId }: PublishOptions = {}): number {
    const id = qos === 0 ? 0 : (messageId ?? ++this.#messageId)
    this.send({ cmd: 'publish', topic, payload, qos, dup, retain: true, ...(qos > 0 && { messageId: id }) } as Packet)
    return id
  }

  /** Sends several publishes in one socket write. Returns their message ids. */
  publishAll(messages: readonly (readonly [topic: string, payload: string | Buffer])[]): number[] {
    this.socket.cork()
    const ids = messages.map(([topic, payload]) => this.publish(topic, payload))
    this.socket.uncork()
    return ids
  }

  async subscribe(...topics: string[]): Promise<(number | object)[]> {
    const messageId = ++this.#messageId
    this.send({ cmd: 'subscribe', messageId, subscriptions: topics.map(topic => ({ topic, qos: 1 })) } as Packet)
    const suback = await this.packet(packet => packet.cmd === 'suback' && packet.messageId === messageId)
    return suback.cmd === 'suback' ? (suback.granted as (number | object)[]) : []
  }

  send(packet: Packet): void {
    this.socket.write(mqttPacket.generate(packet))
  }

  /** The message ids of all acknowledgements of one kind so far, in the order of arrival. */
  acks(cmd: 'puback' | 'pubrec' | 'pubcomp' = 'puback'): number[] {
    return this.received.filter(packet => packet.cmd === cmd).map(packet => packet.messageId!)
  }

  async acked(...ids: number[]): Promise<void> {
    await this.wait(() => {
      if (this.closed) return true
      const acknowledged = new Set(this.acks())
      return ids.every(id => acknowledged.has(id))
    })
    if (this.closed) throw new Error(`closed; of ${ids.length} messages acknowledged: ${this.acks().length}`)
  }

  /** Waits for a packet that fits and returns the first one, past or future. Throws if the connection closes before. */
  async packet(fits: (packet: Packet) => boolean): Promise<Packet> {
    await this.wait(() => this.closed || this.received.some(fits))
    const found = this.received.find(fits)
    if (found === undefined) throw new Error(`closed without that packet; got ${this.#tally()}`)
    return found
  }

  /** The messages delivered so far, as `[topic, payload]`. */
  delivered(): [topic: string, payload: string][] {
    return this.received.flatMap(packet =>
      packet.cmd === 'publish' ? [[packet.topic, packet.payload.toString()] as [string, string]] : []
    )
  }

  /** Sends a PINGREQ and waits for the answer. All packets that the server sent before the answer have then arrived. */
  async ping(): Promise<void> {
    const before = this.received.filter(({ cmd }) => cmd === 'pingresp').length
    this.send({ cmd: 'pingreq' })
    await this.wait(() => this.closed || this.received.filter(({ cmd }) => cmd === 'pingresp').length > before)
  }

  async wait(isDone: () => boolean, timeoutMs = 60_000): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiters.delete(look)
        reject(new Error(`waited ${timeoutMs} ms; got ${this.#tally()}`))
      }, timeoutMs)
      const look = (): void => {
        if (!isDone()) return
        clearTimeout(timer)
        this.#waiters.delete(look)
        resolve()
      }
      this.#waiters.add(look)
      look()
    })
  }

  destroy(): void {
    this.socket?.destroy()
  }

  #tally(): string {
    const counts = new Map<string, number>()
    for (const { cmd } of this.received) counts.set(cmd, (counts.get(cmd) ?? 0) + 1)
    return [...counts].map(([cmd, count]) => `${count} ${cmd}`).join(', ') || 'nothing'
  }

  #wake(): void {
    for (const look of [...this.#waiters]) look()
  }
}

interface PublishOptions {
  readonly qos?: 0 | 1 | 2
  readonly dup?: boolean
  readonly messageId?: number
}
