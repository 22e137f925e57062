// A device that keeps its side of the delivery promise. After every loss of the connection it sends all messages
// without a PUBACK again, in order and with DUP, until they are acknowledged. It never has more unacknowledged messages
// than its window.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { connect, type TLSSocket } from 'node:tls'
import mqttPacket, { type Packet } from 'mqtt-packet'
import { envelope } from '../harness.ts'

export interface DeviceOptions {
  readonly certs: string
  readonly name: string
  readonly port: number
  /** The largest number of unacknowledged messages. */
  readonly window: number
  /** Returns a number between 0 and 1. */
  readonly random: () => number
}

/** One message: its value name, and the time and the value that the database must hold. */
export interface Sent {
  readonly name: 'PowerOutput' | 'SessionEnergy'
  readonly time: string
  readonly value: number
}

const pingMs = 5_000

export class Device {
  readonly name: string
  readonly sent: Sent[] = []
  readonly acknowledged = new Set<number>()
  /** The number of accepted connections that ended without the device's doing. */
  disconnects = 0
  refusals = 0
  /** The number of answered PINGREQs. The next field is the time of the slowest answer in ms. */
  pingsAnswered = 0
  slowestPingMs = 0
  slowestAckMs = 0
  readonly #options: DeviceOptions
  #socket: TLSSocket | undefined
  #isOpen = false
  #isStopped = false
  #cut = false
  /** The index of the first message that was not sent on this connection. */
  #next = 0
  /** The index of the first message that is not acknowledged. */
  #oldest = 0
  readonly #sentMs: number[] = []
  #highest = 0
  #pingSentMs: number | undefined
  #retry: NodeJS.Timeout | undefined
  #ping: NodeJS.Timeout | undefined

  constructor(options: DeviceOptions) {
    this.#options = options
    this.name = options.name
  }

  start(): void {
    this.#ping = setInterval(() => this.#sendPing(), pingMs)
    this.#connect()
  }

  stop(): void {
    this.#isStopped = true
    clearTimeout(this.#retry)
    clearInterval(this.#ping)
    this.#socket?.destroy()
  }

  get isDone(): boolean {
    return this.acknowledged.size === this.sent.length
  }

  /** Adds one more message to deliver. */
  publish(message: Sent): void {
    this.sent.push(message)
    this.#flush()
  }

  /** Destroys the connection, as if the network were gone. */
  cut(): void {
    this.#cut = true
    this.#socket?.destroy()
  }

  #connect(): void {
    const { certs, name, port } = this.#options
    const file = (path: string): Buffer => readFileSync(join(certs, path))
    const cert = { cert: file(`devices/${name}.pem`), key: file(`devices/${name}.key`) }
    const socket = connect({ host: '127.0.0.1', port, ca: file('ca.pem'), ...cert })
    this.#socket = socket
    const parser = mqttPacket.parser({ protocolVersion: 4 } as never)
    parser.on('packet', packet => this.#receive(packet))
    socket.on('data', chunk => parser.parse(chunk))
    socket.on('error', () => {})
    socket.on('secureConnect', () => {
      const hello = {
        cmd: 'connect',
        protocolId: 'MQTT',
        protocolVersion: 4,
        clientId: name,
        clean: true,
        keepalive: 60
      }
      socket.write(mqttPacket.generate(hello as Packet))
    })
    socket.on('close', () => this.#closed())
  }

  #closed(): void {
    if (this.#isOpen && !this.#cut && !this.#isStopped) this.disconnects++
    this.#isOpen = false
    this.#cut = false
    this.#pingSentMs = undefined
    if (!this.#isStopped) this.#retry = setTimeout(() => this.#connect(), 50 + this.#options.random() * 300)
  }

  #receive(packet: Packet): void {
    if (packet.cmd === 'connack') {
      if (packet.returnCode !== 0) {
        this.refusals++
        return
      }
      this.#isOpen = true
      this.#next = this.#oldest
      this.#flush()
    } else if (packet.cmd === 'puback') this.#acknowledge(packet.messageId!)
    else if (packet.cmd === 'pingresp' && this.#pingSentMs !== undefined) {
      this.pingsAnswered++
      this.slowestPingMs = Math.max(this.slowestPingMs, performance.now() - this.#pingSentMs)
      this.#pingSentMs = undefined
    }
  }

  /**
   * Message ids are indexes that wrap around. Within a window they are unique. Throws if no message in flight has the
   * id.
   */
  #acknowledge(messageId: number): void {
    let index = this.#oldest
    while (idOf(index) !== messageId) index++
    if (index >= this.sent.length) throw new Error(`${this.name}: PUBACK ${messageId} for nothing that is in flight`)
    this.slowestAckMs = Math.max(this.slowestAckMs, performance.now() - this.#sentMs[index]!)
    this.acknowledged.add(index)
    while (this.acknowledged.has(this.#oldest)) this.#oldest++
    this.#flush()
  }

  #flush(): void {
    if (!this.#isOpen) return
    const packets: Buffer[] = []
    for (; this.#next < this.sent.length && this.#next - this.#oldest < this.#options.window; this.#next++) {
      if (!this.acknowledged.has(this.#next)) packets.push(this.#packetOf(this.#next))
    }
    if (packets.length > 0) this.#socket!.write(Buffer.concat(packets))
  }

  #packetOf(index: number): Buffer {
    const { name, time, value } = this.sent[index]!
    const dup = index < this.#highest
    this.#highest = Math.max(this.#highest, index + 1)
    this.#sentMs[index] = performance.now()
    const topic = `chargers/${this.name}/${name}`
    const payload = envelope(value, time)
    return mqttPacket.generate({ cmd: 'publish', topic, payload, qos: 1, dup, retain: true, messageId: idOf(index) })
  }

  #sendPing(): void {
    if (!this.#isOpen) return
    if (this.#pingSentMs !== undefined) {
      this.slowestPingMs = Math.max(this.slowestPingMs, performance.now() - this.#pingSentMs)
      return
    }
    this.#pingSentMs = performance.now()
    this.#socket!.write(mqttPacket.generate({ cmd: 'pingreq' }))
  }
}

const idOf = (index: number): number => (index % 65_535) + 1
