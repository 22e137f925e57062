// The gate: one Duplex per connection in front of Aedes. It reads MQTT frames off the TLS socket, enforces sizes and
// protocol, admits the connection's own telemetry to its lane, and hands every other frame to Aedes unchanged.
// It acknowledges telemetry when its batch is settled, never before. What Aedes writes goes to the socket.
//
// A connection's life: `greeting` (only CONNECT is legal) -> `connecting` (frames wait for CONNACK) -> `open`.
// Within `open` it reads, unless it is held: over its window, over the budget, or because a frame must wait
//   - for everything in flight to be acknowledged (a QoS 1/2 publish that is no telemetry) [MQTT-4.6.0-2],
//   - for Aedes to take what was pushed.

import { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import { type Admission, type Identity, type Source, Telemetry } from '../model/admission.ts'
import type { Budget } from '../model/budget.ts'
import { DeniedError } from '../model/errors.ts'
import {
  connectTimeoutMs,
  keepaliveSecondsMax,
  packetBytesMax,
  receivedMessagesMax,
  slowConsumerBytesMax,
  topicBytesMax,
  unsentWaitBytes,
  valueNameCharactersMax
} from '../model/limits.ts'
import { connectionName, topicRoot } from '../model/topics.ts'
import * as frames from './frames.ts'
import type { Window } from './window.ts'

export interface GateOptions {
  readonly socket: TLSSocket
  readonly identity: Identity
  readonly window: Window
  readonly budget: Budget
  readonly admission: Admission
  /** Called before a connection is closed for a fault of the client. */
  readonly denied: (gate: Gate, error: DeniedError) => void
}

/** A ticket is what the lane hands back: the message id, and whether it was QoS 2. 0 for QoS 0. */
const qos2Ticket = 0x1_0000
const notWaiting = 0
const waitingForConnack = 1
const waitingForAcks = 2
const waitingForAedes = 3

export class Gate extends Duplex implements Source {
  readonly identity: Identity
  readonly address: string
  readonly #socket: TLSSocket
  readonly #window: Window
  readonly #budget: Budget
  readonly #admission: Admission
  readonly #denied: GateOptions['denied']
  readonly #prefixes: readonly Buffer[]
  readonly #frame = new frames.Frame()
  readonly #telemetry = new Telemetry()
  #stage: 'greeting' | 'connecting' | 'open' = 'greeting'
  /** Bytes that were read and not yet consumed: a part of a frame, or what waits. */
  #rest: Buffer | undefined
  #waiting: number = notWaiting
  #heldByWindow = false
  #heldByBudget = false
  #stopped = false
  #finishing = false
  #held = false
  #inFlight = 0
  /** Exact when nothing is in flight; between, each settled message counts as an average one. */
  #inFlightBytes = 0
  #acks: number[] = []
  /** QoS 2 message ids: false while in flight, true from PUBREC to PUBREL. */
  readonly #received = new Map<number, boolean>()
  #silence: NodeJS.Timeout

  constructor({ socket, identity, window, budget, admission, denied }: GateOptions) {
    super({ allowHalfOpen: false })
    this.identity = identity
    this.address = `${socket.remoteAddress}:${socket.remotePort}`
    this.#socket = socket.setNoDelay(true)
    this.#window = window
    this.#budget = budget
    this.#admission = admission
    this.#denied = denied
    this.#prefixes = identity.role === 'edge' ? identity.chargers!.map(name => Buffer.from(`${topicRoot}${name}/`)) : []
    this.#silence = this.#closeAfter(connectTimeoutMs)
    socket.on('data', chunk => this.#receive(chunk))
    socket.on('end', () => this.push(null))
    socket.on('error', () => this.destroy())
    socket.on('close', () => this.destroy())
  }

  /** CONNACK with return code 0 is written: telemetry may come. */
  open(): void {
    this.#stage = 'open'
    if (this.#waiting === waitingForConnack) this.#goOn()
  }

  /** Takes over the keepalive from Aedes, which does not see telemetry. 0 and more than the limit count as the limit. */
  keepAlive(seconds: number): void {
    clearTimeout(this.#silence)
    this.#silence = this.#closeAfter(1_500 * Math.min(seconds || keepaliveSecondsMax, keepaliveSecondsMax))
  }

  /** Whether news may be sent to this subscriber; one that is far behind is cut instead, so that nobody waits for it. */
  takesNews(): boolean {
    if (this.destroyed) return false
    const unsent = this.#socket.writableLength + this.writableLength
    if (unsent < slowConsumerBytesMax) return true
    return this.#deny(
      new DeniedError('slow_consumer', `expected a subscriber that reads, found ${unsent} bytes unsent`)
    )
  }

  /** Reads no more; what is in flight is still acknowledged. */
  stopReading(): void {
    this.#stopped = true
    this.#socket.pause()
  }

  /** Reads no more, and ends when everything in flight is acknowledged: the client goes elsewhere and resends nothing. */
  finish(): void {
    this.#finishing = true
    this.stopReading()
    this.#endIfFinished()
  }

  #endIfFinished(): void {
    if (this.#finishing && this.#inFlight === 0) this.#socket.destroySoon()
  }

  // --- what the client sends

  #receive(chunk: Buffer): void {
    if (this.destroyed) return // what was read before the socket was destroyed still comes
    this.#silence.refresh()
    this.#rest = this.#rest === undefined ? chunk : Buffer.concat([this.#rest, chunk])
    if (this.#waiting === notWaiting) this.#consume()
  }

  #consume(): void {
    if (this.#stopped) return // a lane that has drained must not fill again
    const chunk = this.#rest!
    const frame = this.#frame
    let at = 0
    while (at < chunk.length && this.#waiting === notWaiting) {
      const status = frames.readFrame(chunk, at, packetBytesMax, frame)
      if (status === frames.partial) break
      if (status !== frames.complete) {
        this.#refuseFrame(status, chunk[at]!)
        return
      }
      if (!this.#take(chunk, at)) break
      at = frame.end
    }
    if (this.destroyed) return
    // A kept slice would pin its whole read chunk.
    this.#rest = at < chunk.length ? Buffer.from(chunk.subarray(at)) : undefined
    this.#heldByBudget = !this.#budget.mayRead(this.#inFlight, this.#inFlightBytes)
    this.#pauseOrResume()
  }

  /** False when the frame is not consumed: it waits and comes again, or the connection is closed. */
  #take(chunk: Buffer, at: number): boolean {
    const { type } = this.#frame
    if (this.#stage !== 'open') return this.#takeConnect(chunk, at)
    if (type === frames.PUBLISH) return this.#takePublish(chunk, at)
    if (type === frames.CONNECT)
      return this.#deny(new DeniedError('protocol', 'expected one CONNECT, found a second one'))
    if (type === frames.PUBREL && this.#release(frames.readUInt16(chunk, this.#frame.bodyAt))) return true
    return this.#pass(chunk, at)
  }

  #takeConnect(chunk: Buffer, at: number): boolean {
    if (this.#frame.type !== frames.CONNECT) {
      return this.#deny(new DeniedError('protocol', `expected CONNECT first, found packet type ${this.#frame.type}`))
    }
    this.#stage = 'connecting'
    this.#pass(chunk, at)
    this.#waiting = waitingForConnack
    return true
  }

  #takePublish(chunk: Buffer, at: number): boolean {
    const { flags, bodyAt, end } = this.#frame
    const qos = frames.qosOf(flags)
    const topicAt = bodyAt + 2
    const topicLength = frames.readUInt16(chunk, bodyAt)
    const topicEnd = topicAt + topicLength
    const payloadAt = qos === 0 ? topicEnd : topicEnd + 2
    if (payloadAt > end || topicLength === 0) return this.#malformed('a PUBLISH that is too short for its topic')
    if (topicLength > topicBytesMax) {
      return this.#deny(
        new DeniedError('publish_topic', `expected a topic of at most ${topicBytesMax} bytes, found ${topicLength}`)
      )
    }
    const messageId = qos === 0 ? 0 : frames.readUInt16(chunk, topicEnd)
    if (qos > 0 && messageId === 0) return this.#malformed('message id 0')
    const nameAt = this.#ownNameAt(chunk, topicAt, topicEnd)
    if (nameAt === 0) return this.#passInOrder(chunk, at, qos)
    if (qos === 2 && this.#received.size >= receivedMessagesMax && !this.#received.has(messageId)) {
      return this.#deny(
        new DeniedError('protocol', `expected at most ${receivedMessagesMax} QoS 2 messages without PUBREL, found more`)
      )
    }
    if (isConnection(chunk, nameAt, topicEnd)) return this.#ignoreInOrder(qos, messageId)
    if (qos === 2 && this.#isResent(messageId)) return true
    const telemetry = this.#telemetry
    telemetry.ticket = qos === 2 ? messageId | qos2Ticket : messageId
    telemetry.dup = frames.isDup(flags)
    telemetry.chunk = chunk
    telemetry.topicAt = topicAt
    telemetry.topicEnd = topicEnd
    telemetry.payloadAt = payloadAt
    telemetry.payloadEnd = end
    const isAdmitted = this.#admission.admit(this, telemetry)
    telemetry.chunk = noBytes // a kept chunk is memory per connection
    if (isAdmitted) this.#enterWindow(end - topicAt)
    return true
  }

  #enterWindow(bytes: number): void {
    this.#inFlight++
    this.#inFlightBytes += bytes
    this.#window.enter()
    if (this.#window.exceeded) {
      this.#heldByWindow = true
      this.#window.hold(this)
    }
  }

  /** Where the value name begins when the topic is exactly own telemetry, else 0. */
  #ownNameAt(chunk: Buffer, topicAt: number, topicEnd: number): number {
    for (const prefix of this.#prefixes) {
      const nameAt = topicAt + prefix.length
      if (nameAt < topicEnd && startsWith(chunk, topicAt, prefix)) return isName(chunk, nameAt, topicEnd) ? nameAt : 0
    }
    return 0
  }

  /** To Aedes, but not before everything in flight is acknowledged: acks keep publish order. */
  #passInOrder(chunk: Buffer, at: number, qos: number): boolean {
    return this.#mustWait(qos) ? false : this.#pass(chunk, at)
  }

  #mustWait(qos: number): boolean {
    if (qos === 0 || this.#inFlight === 0) return false
    this.#waiting = waitingForAcks
    return true
  }

  /** Presence is the server's own word: a client's is acknowledged and ignored. */
  #ignoreInOrder(qos: number, messageId: number): boolean {
    if (this.#mustWait(qos)) return false
    if (qos === 1) this.#write(frames.acknowledgement(frames.PUBACK, messageId))
    else if (qos === 2 && !this.#isResent(messageId)) this.#recordReceived(messageId)
    return true
  }

  #pass(chunk: Buffer, at: number): boolean {
    if (!this.push(Buffer.from(chunk.subarray(at, this.#frame.end)))) this.#waiting = waitingForAedes
    return true
  }

  // --- QoS 2: PUBREC after the commit, once; PUBCOMP for what the gate took

  /** True for a message that is here already: in flight its PUBREC is pending, received it is sent again. */
  #isResent(messageId: number): boolean {
    const received = this.#received.get(messageId)
    if (received === true) this.#write(frames.acknowledgement(frames.PUBREC, messageId))
    if (received === undefined) this.#received.set(messageId, false)
    return received !== undefined
  }

  #recordReceived(messageId: number): void {
    this.#received.set(messageId, true)
    this.#write(frames.acknowledgement(frames.PUBREC, messageId))
  }

  #release(messageId: number): boolean {
    if (this.#received.get(messageId) !== true) return false
    this.#received.delete(messageId)
    this.#write(frames.acknowledgement(frames.PUBCOMP, messageId))
    return true
  }

  // --- what the lane answers

  settle(ticket: number): void {
    this.#inFlightBytes -= this.#inFlightBytes / this.#inFlight
    this.#inFlight--
    this.#window.leave()
    if (ticket === 0) return
    const messageId = ticket & 0xffff
    if (ticket === messageId) this.#acks.push(frames.PUBACK << 4, 2, messageId >> 8, messageId & 255)
    else {
      this.#received.set(messageId, true)
      this.#acks.push(frames.PUBREC << 4, 2, messageId >> 8, messageId & 255)
    }
  }

  acknowledge(): void {
    this.#write(this.#acks)
    this.#acks = []
    this.#window.releaseIfBelow()
    this.#endIfFinished()
    if (this.#heldByBudget && this.#budget.mayRead(this.#inFlight, this.#inFlightBytes)) {
      this.#heldByBudget = false
      this.#pauseOrResume()
    }
    if (this.#waiting === waitingForAcks && this.#inFlight === 0) this.#goOn()
  }

  // --- backpressure is the socket's own

  /** By the window: below half of it. */
  release(): void {
    this.#heldByWindow = false
    this.#pauseOrResume()
  }

  #goOn(): void {
    this.#waiting = notWaiting
    if (this.#rest !== undefined) this.#consume()
    else this.#pauseOrResume()
  }

  #pauseOrResume(): void {
    if (this.#stopped || this.destroyed) return
    const pause = this.#heldByWindow || this.#heldByBudget || this.#waiting !== notWaiting
    this.#countHeld(this.#heldByWindow || this.#heldByBudget || this.#waiting === waitingForAcks)
    if (pause !== this.#socket.isPaused()) pause ? this.#socket.pause() : this.#socket.resume()
  }

  #countHeld(isHeld: boolean): void {
    if (isHeld === this.#held) return
    this.#held = isHeld
    isHeld ? this.#budget.hold() : this.#budget.release()
  }

  #closeAfter(ms: number): NodeJS.Timeout {
    return setTimeout(() => {
      // Whom we do not read, we do not blame for silence.
      if (this.#socket.isPaused() && this.#stage === 'open') this.#silence.refresh()
      else this.#deny(new DeniedError('timeout', `expected a packet within ${ms / 1000} s, found silence`))
    }, ms)
  }

  // --- faults of the client

  #refuseFrame(status: frames.FrameStatus, firstByte: number): void {
    if (status === frames.tooLarge) {
      this.#deny(
        new DeniedError(
          'packet_too_large',
          `expected packets of at most ${packetBytesMax} bytes, found a longer one announced`
        )
      )
    } else this.#malformed(`a packet that MQTT 3.1.1 does not allow (first byte ${firstByte})`)
  }

  #malformed(found: string): false {
    return this.#deny(new DeniedError('malformed_packet', `expected MQTT 3.1.1, found ${found}`))
  }

  #deny(error: DeniedError): false {
    this.#denied(this, error)
    this.destroy()
    return false
  }

  // --- the Duplex that Aedes holds

  #write(bytes: readonly number[]): void {
    if (bytes.length > 0 && !this.destroyed) this.#socket.write(Buffer.from(bytes))
  }

  override _read(): void {
    if (this.#waiting === waitingForAedes) this.#goOn()
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#send(chunk, done)
  }

  override _writev(chunks: { chunk: Buffer }[], done: (error?: Error | null) => void): void {
    this.#send(Buffer.concat(chunks.map(({ chunk }) => chunk)), done)
  }

  #send(chunk: Buffer, done: (error?: Error | null) => void): void {
    if (this.#socket.write(chunk) || this.#socket.writableLength < unsentWaitBytes) done()
    else this.#socket.once('drain', done)
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#socket.end()
    done()
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    clearTimeout(this.#silence)
    this.#window.forget(this)
    this.#countHeld(false)
    this.#rest = undefined
    this.#socket.destroy()
    done(error)
  }
}

const noBytes = Buffer.alloc(0)

function startsWith(chunk: Buffer, at: number, prefix: Buffer): boolean {
  for (let i = 0; i < prefix.length; i++) if (chunk[at + i] !== prefix[i]) return false
  return true
}

const nameBytes = new Uint8Array(256)
for (const byte of Buffer.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_')) nameBytes[byte] = 1

function isName(chunk: Buffer, at: number, end: number): boolean {
  if (end - at > valueNameCharactersMax) return false
  for (let i = at; i < end; i++) if (nameBytes[chunk[i]!] === 0) return false
  return true
}

const connectionBytes = Buffer.from(connectionName)
const isConnection = (chunk: Buffer, at: number, end: number): boolean =>
  end - at === connectionBytes.length && startsWith(chunk, at, connectionBytes)
