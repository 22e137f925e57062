// Simulated dashboards, as a process of its own. Each dashboard is a connection that subscribes to chargers/# and reads
// every message. It keeps the newest SamplingTime and value of every topic, and counts how often SamplingTime went
// back.

import { connect, type TLSSocket } from 'node:tls'
import { remainingLength } from '../../src/broker/gate/frames.ts'
import { serveCalls } from './calls.ts'
import { Credentials } from './credentials.ts'
import { Histogram } from './histogram.ts'
import { connectPacket } from './pollWriter.ts'
import { reporting } from './report.ts'

export interface DashboardOptions {
  readonly host: string
  readonly port: number
  readonly certs: string
  readonly names: readonly string[]
}

const publish = 3
const connack = 2
const suback = 9
const subscribeAll = subscribePacket('chargers/#')
/** The server itself publishes topics with this ending. They carry no charger's value. */
const presence = '/Connection'

class Dashboard {
  received = 0
  wentBack = 0
  closed = 0
  readonly newest = new Map<string, string>()
  readonly #latency: Histogram
  #rest = Buffer.alloc(0)
  #subscribed: () => void = () => {}

  constructor(latency: Histogram) {
    this.#latency = latency
  }

  async open(credentials: Credentials, name: string, { host, port }: DashboardOptions): Promise<void> {
    const socket = connect({ host, port, secureContext: credentials.contextOf(name) })
    socket.on('secureConnect', () => socket.write(connectPacket(name, 0)))
    socket.on('data', chunk => this.#receive(socket, chunk))
    await new Promise<void>((resolve, reject) => {
      this.#subscribed = resolve
      socket.on('error', reject)
      socket.on('close', () => {
        this.closed++
        reject(new Error(`${name}: closed before it was subscribed`))
      })
    })
  }

  #receive(socket: TLSSocket, chunk: Buffer): void {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    let at = 0
    for (;;) {
      const { bodyAt, end } = frameAt(bytes, at)
      if (end > bytes.length) break
      const type = bytes[at]! >> 4
      if (type === connack) socket.write(subscribeAll)
      else if (type === suback) this.#subscribed()
      else if (type === publish) this.#read(bytes, bodyAt, end)
      at = end
    }
    this.#rest = Buffer.from(bytes.subarray(at))
  }

  /** Reads a QoS 0 message: the topic, then the payload. */
  #read(bytes: Buffer, bodyAt: number, end: number): void {
    const payloadAt = bodyAt + 2 + bytes.readUInt16BE(bodyAt)
    const topic = bytes.toString('latin1', bodyAt + 2, payloadAt)
    if (topic.endsWith(presence)) return
    const payload = bytes.toString('utf8', payloadAt, end)
    this.received++
    // Envelopes are canonical: SamplingTime is always at the same position, and its texts sort like the times.
    const before = this.newest.get(topic)
    if (before !== undefined && timeOf(payload) < timeOf(before)) this.wentBack++
    this.newest.set(topic, payload)
    this.#latency.recordMs(performance.timeOrigin + performance.now() - Date.parse(timeOf(payload)))
  }
}

const timeAt = '{"SamplingTime":"'.length
const timeOf = (payload: string): string => payload.slice(timeAt, payload.indexOf('"', timeAt))

/**
 * The position where a frame's body begins, and the position where the frame ends. For an incomplete frame the end lies
 * beyond the bytes.
 */
function frameAt(bytes: Buffer, at: number): { bodyAt: number; end: number } {
  let length = 0
  for (let p = at + 1, shift = 0; p < bytes.length; p++, shift += 7) {
    length |= (bytes[p]! & 127) << shift
    if (bytes[p]! < 128) return { bodyAt: p + 1, end: p + 1 + length }
  }
  return { bodyAt: 0, end: Number.POSITIVE_INFINITY }
}

function subscribePacket(filter: string): Buffer {
  const body = [0, 1, filter.length >> 8, filter.length & 255, ...Buffer.from(filter), 0]
  return Buffer.from([0x82, ...remainingLength(body.length), ...body])
}

serveCalls(async (options: DashboardOptions) => {
  const latency = new Histogram()
  const credentials = await Credentials.open(options.certs, options.names, 'consumer')
  const dashboards = options.names.map(() => new Dashboard(latency))
  for (const [i, dashboard] of dashboards.entries()) await dashboard.open(credentials, options.names[i]!, options)
  return reporting(latency, dashboards, dashboards)
})
