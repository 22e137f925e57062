// One simulated charger on a real mTLS connection: a pre-encoded write of K values at one SamplingTime, patched in place.
// Counts what it sent and what was acknowledged; measures the time from a write to its last acknowledgement.

import { connect, type TLSSocket } from 'node:tls'
import mqttPacket from 'mqtt-packet'
import { topicOf } from '../src/model/topics.ts'

export interface ConnectionOptions {
  readonly port: number
  readonly name: string
  readonly tls: { readonly ca: string; readonly cert: string; readonly key: string }
  /** Values per write, 1 to 4. */
  readonly values: number
  /** Unacknowledged messages at most. */
  readonly window: number
  readonly firstTimeMs: number
}

const names = ['SessionEnergy', 'PowerOutput', 'TotalEnergyConsumption', 'MaximumOutputCurrent']
// Always six digits, so that a frame never changes its length.
const valueMin = 100_000
const valueCount = 900_000
const puback = 0x40

export class Connection {
  writes = 0
  acknowledged = 0
  /** Sum of the first value of each write, to be found in the database. */
  sum = 0
  readonly latenciesMs: number[] = []
  readonly #options: ConnectionOptions
  readonly #frames: Buffer
  readonly #messageIdAt: number[] = []
  readonly #timeAt: number[] = []
  readonly #valueAt: number[] = []
  readonly #sentAtMs: number[] = []
  #socket!: TLSSocket
  #messageId = 0
  #rest = 0
  #stopped = true
  #settled: (() => void) | undefined

  constructor(options: ConnectionOptions) {
    this.#options = options
    this.#frames = this.#encode()
  }

  async open(): Promise<void> {
    const { port, name, tls } = this.#options
    const socket = connect({ host: '127.0.0.1', port, ...tls }).setNoDelay(true)
    this.#socket = socket
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject)
      socket.once('secureConnect', () =>
        socket.write(
          mqttPacket.generate({
            cmd: 'connect',
            clientId: name,
            keepalive: 60,
            clean: true,
            protocolId: 'MQTT',
            protocolVersion: 4
          })
        )
      )
      socket.once('data', connack => (connack[3] === 0 ? resolve() : reject(new Error(`CONNACK ${connack[3]}`))))
    })
    socket.on('data', chunk => this.#receive(chunk))
  }

  start(): void {
    this.#stopped = false
    this.#fill()
  }

  /** Sends no more; resolves when all is acknowledged. */
  async stop(): Promise<void> {
    this.#stopped = true
    if (this.#inFlight > 0) await new Promise<void>(resolve => (this.#settled = resolve))
  }

  close(): void {
    this.#socket.destroy()
  }

  get #inFlight(): number {
    return this.writes * this.#options.values - this.acknowledged
  }

  #fill(): void {
    const { values, window } = this.#options
    while (!this.#stopped && this.#inFlight + values <= window) this.#write()
  }

  #write(): void {
    const { values, firstTimeMs } = this.#options
    const frames = Buffer.from(this.#frames) // the socket owns what it was given
    const time = new Date(firstTimeMs + this.writes * 1000).toISOString()
    const value = valueMin + (this.writes % valueCount)
    for (let k = 0; k < values; k++) {
      this.#messageId = (this.#messageId % 65_535) + 1
      frames.writeUInt16BE(this.#messageId, this.#messageIdAt[k]!)
      frames.write(time, this.#timeAt[k]!, 'latin1')
      frames.write(String(value), this.#valueAt[k]!, 'latin1')
    }
    this.writes++
    this.sum += value
    this.#sentAtMs.push(performance.now())
    this.#socket.write(frames)
  }

  /** The server sends nothing but PUBACKs here, four bytes each. */
  #receive(chunk: Buffer): void {
    if (chunk[(4 - this.#rest) % 4] !== puback && chunk.length >= 4)
      throw new Error(`expected PUBACK, found ${chunk[0]}`)
    this.#rest += chunk.length
    const { values } = this.#options
    const before = Math.floor(this.acknowledged / values)
    this.acknowledged += this.#rest >> 2
    this.#rest &= 3
    const now = performance.now()
    const done = Math.floor(this.acknowledged / values) - before
    for (const sentAt of this.#sentAtMs.splice(0, done)) this.latenciesMs.push(now - sentAt)
    this.#fill()
    if (this.#stopped && this.#inFlight === 0) this.#settled?.()
  }

  #encode(): Buffer {
    const { name, values, firstTimeMs } = this.#options
    const payload = `{"SamplingTime":"${new Date(firstTimeMs).toISOString()}","Value":${valueMin}}`
    let at = 0
    return Buffer.concat(
      names.slice(0, values).map(valueName => {
        const topic = topicOf(name, valueName)
        const frame = mqttPacket.generate({
          cmd: 'publish',
          topic,
          payload,
          qos: 1,
          retain: true,
          dup: false,
          messageId: 1
        })
        const payloadAt = at + frame.length - payload.length
        this.#messageIdAt.push(payloadAt - 2)
        this.#timeAt.push(payloadAt + payload.indexOf('20'))
        this.#valueAt.push(payloadAt + payload.length - 1 - String(valueMin).length)
        at += frame.length
        return frame
      })
    )
  }
}
