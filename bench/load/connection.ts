// One simulated charger on a real mTLS connection. It sends polls within its window of unacknowledged polls and enters
// acknowledged polls into the ledger. It measures the time from a poll to the poll's last acknowledgement. If the poll
// had to wait, the time starts when the poll was due. After the loss of a connection it sends the unacknowledged polls
// again, with DUP and in order.

import type { OnReadOpts } from 'node:net'
import { type ConnectionOptions, connect, type SecureContext, type TLSSocket } from 'node:tls'
import type { Column } from './columns.ts'
import type { Flow } from './flow.ts'
import type { Ledger } from './ledger.ts'
import { connectPacket, PollWriter } from './pollWriter.ts'
import type { Session } from './session.ts'

/** The settings and objects that all chargers of a process share. */
export interface Shared {
  readonly host: string
  readonly port: number
  readonly columns: readonly Column[]
  readonly qos: 0 | 1 | 2
  /** The most polls of a charger that may be unacknowledged. */
  readonly window: number
  /** SamplingTime grows by this from poll to poll. Undefined: SamplingTime is the time at which the poll was due. */
  readonly stepMs: number | undefined
  readonly firstTimeMs: number
  /** True when a charger sends its next poll as soon as its window allows. */
  readonly isEager: boolean
  readonly ledger: Ledger
  readonly latency: { recordMs(ms: number): void }
  readonly flow: Flow
}

const puback = 0x40
const pubrec = 0x50
const pubcomp = 0x70
const pingresp = 0xd0
const connack = 0x20
const pingreq = Buffer.from([0xc0, 0])
const keepaliveSeconds = 120
const openTimeoutMs = 30_000
/** All connections share this buffer, because each read is consumed or copied at once. */
const readBuffer = Buffer.alloc(16 * 1024)

export class Connection {
  acknowledged = 0
  /**
   * The number of connections that ended without a call of `close()`. `isLost` is true after such an end, until the
   * connection is opened again.
   */
  losses = 0
  isLost = false
  readonly name: string
  readonly #index: number
  readonly #shared: Shared
  readonly #context: () => SecureContext
  /**
   * Made before the connection opens. Released once the connection is open, because thousands of contexts take much
   * memory.
   */
  #prepared: SecureContext | undefined
  readonly #session: Session
  readonly #writer: PollWriter
  // The next three arrays are rings over the polls in flight.
  readonly #dueMs: Float64Array
  readonly #timeMs: Float64Array
  readonly #units: Float64Array
  /**
   * `#head` is the oldest unacknowledged poll, `#next` is the poll to make next, and `#headAcks` counts the
   * acknowledged messages of the oldest poll.
   */
  #head = 0
  #next = 0
  #headAcks = 0
  readonly #backlog: number[] = []
  #lastTimeMs: number
  #socket: TLSSocket | undefined
  #ticket: Buffer | undefined
  #rest: Buffer | undefined
  #isOpen = false
  #stopped = true
  #lastWriteMs = 0
  #drained: (() => void) | undefined

  constructor(index: number, name: string, context: () => SecureContext, session: Session, shared: Shared) {
    this.#index = index
    this.name = name
    this.#context = context
    this.#session = session
    this.#shared = shared
    this.#writer = new PollWriter({ charger: name, columns: shared.columns, qos: shared.qos })
    this.#dueMs = new Float64Array(shared.window)
    this.#timeMs = new Float64Array(shared.window)
    this.#units = new Float64Array(shared.window * shared.columns.length)
    this.#lastTimeMs = shared.firstTimeMs
  }

  get isOpen(): boolean {
    return this.#isOpen
  }

  /** The number of messages sent, acknowledged or not. */
  get sent(): number {
    return this.#next * this.#shared.columns.length
  }

  /** The number of messages that are due and not acknowledged, sent or not. */
  get waiting(): number {
    return (this.#next - this.#head + this.#backlog.length) * this.#shared.columns.length - this.#headAcks
  }

  prepare(): void {
    if (!this.#isOpen) this.#prepared = this.#context()
  }

  /**
   * Resolves after CONNACK, with true if the TLS session was resumed. Rejects when the server refuses the connection or
   * does not answer in time.
   */
  async open(resume: boolean): Promise<boolean> {
    const { host, port } = this.#shared
    this.isLost = false
    const session = resume ? this.#ticket : undefined
    const secureContext = this.#prepared ?? this.#context()
    let receive: (chunk: Buffer) => void = () => {}
    const onread = {
      buffer: readBuffer,
      callback(bytes: number): boolean {
        receive(readBuffer.subarray(0, bytes))
        return true
      }
    }
    const options: ConnectionOptions & { onread: OnReadOpts } = { host, port, secureContext, onread }
    const socket = connect({ ...options, ...(session && { session }) }).setNoDelay(true)
    this.#socket = socket
    this.#rest = undefined
    await new Promise<void>((resolve, reject) => {
      const fail = (reason: string): void => {
        clearTimeout(timer)
        socket.destroy()
        reject(new Error(`${this.name}: expected to be connected, found ${reason}`))
      }
      const timer = setTimeout(() => fail(`no CONNACK after ${openTimeoutMs / 1000} s`), openTimeoutMs)
      socket.on('secureConnect', () => socket.write(connectPacket(this.name, keepaliveSeconds)))
      socket.on('session', ticket => {
        this.#ticket = ticket
      })
      socket.on('error', error => fail(error.message))
      socket.on('close', () => (this.#isOpen && socket === this.#socket ? this.#lost() : fail('a closed connection')))
      receive = chunk => {
        if (this.#isOpen) return this.#receive(chunk)
        if (chunk[0] !== connack || chunk[3] !== 0) return fail(`CONNACK ${chunk[3]}`)
        clearTimeout(timer)
        this.#prepared = undefined
        this.#isOpen = true
        resolve()
      }
    })
    this.#resend()
    return socket.isSessionReused()
  }

  start(): void {
    this.#stopped = false
    this.#fill()
  }

  /** Tells the charger that a poll is due, at `dueMs` of performance.now(). */
  offer(dueMs: number): void {
    if (this.#stopped) return
    this.#backlog.push(dueMs)
    this.#fill()
  }

  /** Makes no new polls. Resolves when every due poll is acknowledged. */
  async stop(): Promise<void> {
    this.#stopped = true
    if (!this.#isDrained) await new Promise<void>(resolve => (this.#drained = resolve))
  }

  ping(nowMs: number): void {
    if (!this.#isOpen || nowMs - this.#lastWriteMs < (keepaliveSeconds * 1000) / 3) return
    this.#lastWriteMs = nowMs
    this.#socket!.write(pingreq)
  }

  /** Closes the connection without counting a loss. */
  close(): void {
    this.#isOpen = false
    this.#socket?.destroy()
  }

  get #isDrained(): boolean {
    return this.#head === this.#next && this.#backlog.length === 0
  }

  #lost(): void {
    this.#isOpen = false
    this.isLost = true
    this.losses++
  }

  // --- sending

  readonly #fill = (): void => {
    const { window, isEager, flow } = this.#shared
    while (this.#isOpen && this.#next - this.#head < window) {
      const isDue = this.#backlog.length > 0
      if (!isDue && (!isEager || this.#stopped)) return
      if (!flow.take(this.#fill)) return
      this.#poll(isDue ? this.#backlog.shift()! : performance.now())
    }
  }

  #poll(dueMs: number): void {
    const { window, stepMs, columns, qos } = this.#shared
    const slot = this.#next % window
    const timeMs =
      stepMs === undefined
        ? Math.max(this.#lastTimeMs + 1, Math.round(performance.timeOrigin + dueMs))
        : this.#lastTimeMs + stepMs
    this.#session.advance((timeMs - this.#lastTimeMs) / 1000)
    this.#lastTimeMs = timeMs
    this.#dueMs[slot] = dueMs
    this.#timeMs[slot] = timeMs
    this.#session.show(this.#units, slot * columns.length, columns.length)
    this.#send(this.#next++, false)
    if (qos === 0) this.#settle(columns.length)
  }

  #send(poll: number, dup: boolean): void {
    const { window, columns } = this.#shared
    const slot = poll % window
    const id = idOf(poll * columns.length)
    this.#lastWriteMs = performance.now()
    this.#socket!.write(this.#writer.write(this.#units, slot * columns.length, this.#timeMs[slot]!, id, dup))
  }

  #resend(): void {
    this.acknowledged -= this.#headAcks
    this.#headAcks = 0
    for (let poll = this.#head; poll < this.#next; poll++) this.#send(poll, true)
    this.#fill()
  }

  // --- receiving

  #receive(chunk: Buffer): void {
    const bytes = this.#rest === undefined ? chunk : Buffer.concat([this.#rest, chunk])
    const releases: number[] = []
    let acks = 0
    let at = 0
    for (; at + 1 < bytes.length; at += 2 + bytes[at + 1]!) {
      if (at + 2 + bytes[at + 1]! > bytes.length) break
      const type = bytes[at]!
      if (type === pingresp || type === pubcomp) continue
      if (type !== puback && type !== pubrec) throw new Error(`expected an acknowledgement, found byte ${type}`)
      const id = (bytes[at + 2]! << 8) | bytes[at + 3]!
      const expected = idOf(this.#head * this.#shared.columns.length + this.#headAcks + acks)
      if (id !== expected) throw new Error(`${this.name}: expected acknowledgement ${expected}, found ${id}`)
      acks++
      if (type === pubrec) releases.push(0x62, 2, id >> 8, id & 255)
    }
    this.#rest = at < bytes.length ? Buffer.from(bytes.subarray(at)) : undefined
    if (releases.length > 0) this.#socket!.write(Buffer.from(releases))
    if (acks > 0) this.#acknowledge(acks)
  }

  #acknowledge(acks: number): void {
    this.#settle(acks)
    this.#fill()
    if (this.#stopped && this.#isDrained) this.#drained?.()
  }

  #settle(acks: number): void {
    const { window, columns, ledger, latency } = this.#shared
    this.acknowledged += acks
    this.#headAcks += acks
    const nowMs = performance.now()
    for (; this.#headAcks >= columns.length; this.#headAcks -= columns.length) {
      const slot = this.#head++ % window
      latency.recordMs(nowMs - this.#dueMs[slot]!)
      ledger.enter(this.#index, this.#timeMs[slot]!, this.#units, slot * columns.length)
    }
  }
}

/** Message ids start again after 65,535. They are unique within a window. */
const idOf = (message: number): number => (message % 65_535) + 1
