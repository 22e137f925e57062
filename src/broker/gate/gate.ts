// The gate: one Duplex per connection in front of Aedes. It reads MQTT frames off the TLS socket, enforces sizes and
// protocol, admits the connection's own telemetry to its lane, and hands every other frame to Aedes unchanged.
// It acknowledges telemetry when its batch is settled, never before. What Aedes writes goes to the socket.
//
// A connection's life: `greeting` (only CONNECT is legal) -> `connecting` (frames wait for CONNACK) -> `open`.
// Within `open` the socket is read unless the brake holds it, for one of the reasons of brake.ts.

import { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import { DeniedError } from '../../model/errors.ts'
import type { Admission, Identity, Run, Source } from '../../model/server/admission.ts'
import type { Budget } from '../../model/server/budget.ts'
import { packetBytesMax } from '../../model/server/limits.ts'
import { clientFiltersMax } from '../limits.ts'
import { answersTo, ticketOf } from './answers.ts'
import * as brakes from './brake.ts'
import * as faults from './faults.ts'
import * as frames from './frames.ts'
import { Keepalive } from './keepalive.ts'
import { isConnection, OwnTopics } from './ownTopics.ts'
import type { Rate } from './rate.ts'
import { readFrom } from './reads.ts'
import { Received } from './received.ts'
import { Rest } from './rest.ts'
import { Runs } from './runs.ts'
import { Unsent } from './unsent.ts'
import type { Window } from './window.ts'

export interface GateOptions {
  readonly socket: TLSSocket
  readonly identity: Identity
  readonly window: Window
  readonly rate: Rate
  readonly budget: Budget
  readonly admission: Admission
  /** Filled and emptied within a read: all gates share it. */
  readonly run: Run
  /** Called before a connection is closed for a fault of the client. */
  readonly denied: (gate: Gate, error: DeniedError) => void
  /** A fault of ours, that costs this connection alone. */
  readonly failed: (error: Error) => void
}

export class Gate extends Duplex implements Source {
  readonly identity: Identity
  readonly address: string
  /** The filters that were granted to this connection. */
  readonly filters = new Set<string>()
  readonly keepalive = new Keepalive(seconds => this.#blame(seconds))
  readonly #socket: TLSSocket
  readonly #unsent: Unsent
  readonly #window: Window
  readonly #rate: Rate
  readonly #budget: Budget
  readonly #admission: Admission
  readonly #runs: Runs
  readonly #denied: GateOptions['denied']
  readonly #failed: GateOptions['failed']
  readonly #own: OwnTopics
  readonly #frame = new frames.Frame()
  #stage: faults.Stage = 'greeting'
  /** Bytes that were read and not consumed yet: a part of a frame, or frames that wait. */
  readonly #rest = new Rest()
  readonly #brake: brakes.Brake
  #isFinishing = false
  #inFlight = 0
  /** Exact when nothing is in flight. Meanwhile each settled message counts as an average one. */
  #inFlightBytes = 0
  /** Tickets of messages that are settled and not answered yet. */
  #settled: number[] = []
  readonly #received = new Received()

  constructor({ socket, identity, window, rate, budget, admission, run, denied, failed }: GateOptions) {
    super({ allowHalfOpen: false })
    this.identity = identity
    this.address = `${socket.remoteAddress}:${socket.remotePort}`
    this.#socket = socket.setNoDelay(true)
    this.#unsent = new Unsent(socket, found => this.#deny(faults.slowConsumer(found)))
    this.#brake = new brakes.Brake(socket, budget, () => this.#readRest())
    this.#window = window
    this.#rate = rate
    this.#budget = budget
    this.#admission = admission
    this.#denied = denied
    this.#failed = failed
    this.#own = new OwnTopics(identity)
    this.#runs = new Runs(run, this.#own, run => this.#admitRun(run))
    readFrom(socket, chunk => this.#receive(chunk))
    socket.on('end', () => this.push(null))
    // A DeniedError says that the client's right has ended: it stays in `errored`.
    socket.on('error', error => this.destroy(error instanceof DeniedError ? error : undefined))
    socket.on('close', () => this.destroy())
  }

  /** CONNACK with return code 0 is written: telemetry may come. */
  open(): void {
    this.#stage = 'open'
    this.keepalive.open()
    this.#unsent.open()
    this.#brake.release(brakes.awaitsConnack)
  }

  /**
   * Sends a whole packet, past the stream that Aedes writes to. `done`: there is room for more, or the client is gone.
   */
  deliver(packet: Buffer, done: () => void): void {
    this.#unsent.deliver(packet, done)
  }

  /** Whether news may be sent to this subscriber. A subscriber that is far behind is cut: nobody waits for it. */
  takesNews(): boolean {
    return !this.destroyed && this.#unsent.isBearable(this.writableLength)
  }

  /** Reads no more. Messages in flight are still acknowledged. */
  stopReading(): void {
    // Of an ended socket the client's end is still to be read.
    if (!this.#socket.writableEnded) this.#brake.hold(brakes.stopped)
  }

  /** Reads no more, and ends when everything in flight is acknowledged: then the client need not resend anything. */
  finish(): void {
    this.#isFinishing = true
    this.stopReading()
    this.#endIfFinished()
  }

  #endIfFinished(): void {
    if (this.#isFinishing && this.#inFlight === 0 && !this.#socket.writableEnded) this.#end()
  }

  /** After the last answer. What still comes is read and thrown away: bytes left unread would reset the connection. */
  #end(): void {
    this.#unsent.end()
    this.#brake.letGo()
    this.keepalive.close()
  }

  // --- what the client sends

  #receive(chunk: Buffer): void {
    // Bytes that were read before the socket was destroyed still come.
    if (this.destroyed || this.#socket.writableEnded) return
    // Before CONNACK the time runs, however slowly bytes come.
    if (this.#stage === 'open') this.keepalive.refresh()
    if (this.#brake.isHeld || this.#rest.lacksMoreThan(chunk)) this.#rest.add(chunk)
    else this.#consume(this.#rest.drainWith(chunk))
  }

  /** A fault of ours that a client provokes ends this connection alone. */
  #consume(chunk: Buffer): void {
    try {
      this.#read(chunk)
    } catch (error) {
      this.#runs.forget()
      this.#failed(error as Error)
      this.destroy()
    }
  }

  #read(chunk: Buffer): void {
    if (this.#brake.isHeldBy(brakes.stopped)) return // a lane that has drained must not fill again
    const frame = this.#frame
    let at = 0
    let count = 0
    let lacking = 0
    while (at < chunk.length) {
      const status = frames.readFrame(chunk, at, packetBytesMax, frame)
      if (status === frames.partial) {
        lacking = frame.end - chunk.length
        break
      }
      if (status === frames.complete && this.#stage === 'open' && this.#runs.take(chunk, at, frame)) {
        at = frame.end
        count++
        continue
      }
      this.#runs.close()
      if (status !== frames.complete) {
        this.#deny(faults.unreadableFrame(status, chunk[at]!))
        return
      }
      if (!this.#take(chunk, at)) break
      at = frame.end
      count++
      if (this.#brake.holdsFrames) break
    }
    this.#runs.close()
    if (this.destroyed) return
    if (at < chunk.length) this.#rest.keep(chunk.subarray(at), lacking)
    if (!this.#budget.mayRead(this.#inFlight, this.#inFlightBytes)) this.#brake.hold(brakes.overBudget)
    const pauseMs = this.#rate.spend(count, at, performance.now())
    if (pauseMs > 0) this.#brake.holdFor(brakes.overRate, pauseMs)
  }

  /** Consumes what was read while the brake held. */
  #readRest(): void {
    if (!this.#rest.isEmpty) this.#consume(this.#rest.drain())
  }

  /** False when the frame is not consumed: it waits and comes again, or the connection is closed. */
  #take(chunk: Buffer, at: number): boolean {
    const { type } = this.#frame
    if (this.#stage !== 'open') return this.#takeConnect(chunk, at)
    if (type === frames.PUBLISH) return this.#takePublish(chunk, at)
    if (type === frames.CONNECT) return this.#deny(faults.secondConnect())
    if (!this.#isLegal(chunk)) return false
    if (type === frames.PUBREL && this.#release(frames.readUInt16(chunk, this.#frame.bodyAt))) return true
    return this.#pass(chunk, at)
  }

  #takeConnect(chunk: Buffer, at: number): boolean {
    if (this.#frame.type !== frames.CONNECT) return this.#deny(faults.noConnectFirst(this.#frame.type))
    if (!this.#isLegal(chunk)) return false
    this.#stage = 'connecting'
    this.#pass(chunk, at)
    this.#brake.hold(brakes.awaitsConnack)
    return true
  }

  #isLegal(chunk: Buffer): boolean {
    const fault = frames.packetFault(chunk, this.#frame, clientFiltersMax)
    if (fault === undefined) return true
    const error = faults.illegalPacket(fault)
    if (fault.returnCode === 0) return this.#deny(error)
    this.#denied(this, error)
    // The connection ends behind the CONNACK that says why.
    this.#write(frames.connack(fault.returnCode))
    this.#end()
    return false
  }

  #admitRun(run: Run): void {
    if (this.#admission.admit(this, run)) this.#enterWindow(run.tickets.length, run.end - run.from)
  }

  #enterWindow(messages: number, bytes: number): void {
    this.#inFlight += messages
    this.#inFlightBytes += bytes
    this.#window.enter(messages)
    if (this.#window.exceeded) {
      this.#brake.hold(brakes.overWindow)
      this.#window.hold(this)
    }
  }

  #takePublish(chunk: Buffer, at: number): boolean {
    const { flags, bodyAt, end } = this.#frame
    const qos = frames.qosOf(flags)
    const topicAt = bodyAt + 2
    const topicEnd = topicAt + frames.readUInt16(chunk, bodyAt)
    if ((qos === 0 ? topicEnd : topicEnd + 2) > end) return this.#deny(faults.shortPublish())
    const messageId = qos === 0 ? 0 : frames.readUInt16(chunk, topicEnd)
    if (qos > 0 && messageId === 0) return this.#deny(faults.malformed('message id 0'))
    const nameAt = this.#own.nameAt(chunk, topicAt, topicEnd)
    if (nameAt === 0) return this.#takeForeign(chunk, at, topicAt, topicEnd, qos)
    if (qos === 2 && !this.#received.hasRoomFor(messageId)) return this.#deny(faults.noPubrel())
    if (isConnection(chunk, nameAt, topicEnd)) return this.#ignoreInOrder(qos, messageId)
    if (this.#isResent(messageId)) return true
    this.#runs.add(chunk, at, end, ticketOf(messageId, 2))
    return true
  }

  /** To Aedes, if allowed, when everything in flight is acknowledged: acknowledgements keep the order of publishes. */
  #takeForeign(chunk: Buffer, at: number, topicAt: number, topicEnd: number, qos: number): boolean {
    const found = frames.topicFault(chunk, topicAt, topicEnd)
    if (found !== undefined) return this.#deny(faults.malformed(found))
    if (this.#mustWait(qos)) return false
    const denial = faults.topicDenial(this.identity, chunk, topicAt, topicEnd)
    return denial === undefined ? this.#pass(chunk, at) : this.#deny(denial)
  }

  #mustWait(qos: number): boolean {
    if (qos === 0 || this.#inFlight === 0) return false
    this.#brake.hold(brakes.awaitsAcks)
    return true
  }

  /** Only the server publishes presence: a client's message is acknowledged and ignored. */
  #ignoreInOrder(qos: number, messageId: number): boolean {
    if (this.#mustWait(qos)) return false
    if (qos === 1) this.#write(frames.acknowledgement(frames.PUBACK, messageId))
    else if (qos === 2 && !this.#isResent(messageId)) {
      this.#received.answer(messageId)
      this.#write(frames.acknowledgement(frames.PUBREC, messageId))
    }
    return true
  }

  #pass(chunk: Buffer, at: number): boolean {
    if (!this.push(Buffer.from(chunk.subarray(at, this.#frame.end)))) this.#brake.hold(brakes.awaitsAedes)
    return true
  }

  // --- QoS 2: PUBREC after the commit, once; PUBCOMP for what the gate took

  /**
   * True for a message that the gate has already. If it is answered, PUBREC is sent again; if not, PUBREC will come.
   */
  #isResent(messageId: number): boolean {
    const state = this.#received.arrive(messageId)
    if (state === 'answered') this.#write(frames.acknowledgement(frames.PUBREC, messageId))
    return state !== 'new'
  }

  #release(messageId: number): boolean {
    const isReleased = this.#received.release(messageId)
    if (isReleased) this.#write(frames.acknowledgement(frames.PUBCOMP, messageId))
    return isReleased
  }

  // --- what the lane answers

  settle(tickets: readonly number[], from: number, end: number): void {
    const count = end - from
    this.#inFlightBytes -= (this.#inFlightBytes * count) / this.#inFlight
    this.#inFlight -= count
    this.#window.leave(count)
    for (let i = from; i < end; i++) if (tickets[i] !== 0) this.#settled.push(tickets[i]!)
  }

  acknowledge(): void {
    if (this.#settled.length > 0) {
      if (!this.destroyed) this.#unsent.write(answersTo(this.#settled, this.#received))
      this.#settled.length = 0
    }
    this.#window.releaseIfBelow()
    this.#endIfFinished()
    if (!this.#brake.isHeld) return
    if (this.#budget.mayRead(this.#inFlight, this.#inFlightBytes)) this.#brake.release(brakes.overBudget)
    if (this.#inFlight === 0) this.#brake.release(brakes.awaitsAcks)
  }

  /** The window is below half of its limit. */
  release(): void {
    this.#brake.release(brakes.overWindow)
  }

  #blame(seconds: number): void {
    if (this.#socket.writableEnded) this.destroy()
    // The client may have sent a ping that we have not read.
    else if (this.#brake.isHeld && this.#stage === 'open') this.keepalive.refresh()
    else this.#deny(faults.silent(this.#stage, seconds))
  }

  #deny(error: DeniedError): false {
    if (!this.destroyed) this.#denied(this, error)
    this.destroy()
    return false
  }

  // --- the Duplex that Aedes holds

  #write(bytes: readonly number[]): void {
    if (bytes.length > 0 && !this.destroyed) this.#unsent.write(Buffer.from(bytes))
  }

  override _read(): void {
    this.#brake.release(brakes.awaitsAedes)
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#unsent.gather(chunk, done)
  }

  override _writev(chunks: { chunk: Buffer }[], done: (error?: Error | null) => void): void {
    this.#unsent.gather(Buffer.concat(chunks.map(({ chunk }) => chunk)), done)
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#unsent.end()
    done()
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.keepalive.forget()
    this.#unsent.forget()
    this.#window.forget(this)
    this.#brake.forget()
    this.#rest.clear()
    this.#socket.destroy()
    done(error)
  }
}
