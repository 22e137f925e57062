// A gate between a fake socket and a fake Lane, without time and without a network. The test decides what arrives, what
// is settled and when Aedes reads. Everything happens within the call, and nothing waits.

import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import type { TestContext } from 'node:test'
import type { TLSSocket } from 'node:tls'
import { type IPublishPacket, parser as parsePackets } from 'mqtt-packet'
import { type Admission, type Identity, Run, type Source } from '../../model/server/admission.ts'
import { Budget } from '../../model/server/budget.ts'
import { Gate } from '../gate/gate.ts'
import { Rate } from '../gate/rate.ts'
import { Window } from '../gate/window.ts'
import * as packets from './packets.ts'

export class FakeSocket extends EventEmitter {
  readonly remoteAddress = '192.0.2.1'
  readonly remotePort = 40_000
  /** The written buffers, one entry for each write. */
  readonly written: Buffer[] = []
  /** The return value of `write`. A full socket returns false. */
  takes = true
  writableLength = 0
  writableEnded = false
  destroyed = false
  #paused = false
  readonly #unread: Buffer[] = []

  setNoDelay(): this {
    return this
  }

  isPaused(): boolean {
    return this.#paused
  }

  pause(): void {
    this.#paused = true
  }

  resume(): void {
    this.#paused = false
  }

  write(chunk: Buffer): boolean {
    if (this.destroyed || this.writableEnded) throw new Error('written after the end')
    this.written.push(Buffer.from(chunk))
    return this.takes
  }

  end(): void {
    this.writableEnded = true
  }

  destroy(): void {
    if (this.destroyed) return
    this.destroyed = true
    this.emit('close')
  }

  arrive(chunk: Buffer): void {
    this.#unread.push(chunk)
    this.flow()
  }

  /**
   * Delivers the unread chunks. A real socket delivers them in a later turn and not within `resume`, so the test calls
   * `flow`.
   */
  flow(): void {
    while (!this.#paused && !this.destroyed && this.#unread.length > 0) this.emit('data', this.#unread.shift())
  }
}

export interface Admitted {
  readonly ticket: number
  readonly dup: boolean
  readonly topic: string
  readonly payload: string
}

class FakeAdmission implements Admission {
  readonly admitted: Admitted[] = []
  /** The number of messages of each call of `admit`. */
  readonly runs: number[] = []
  drops = false

  /** Parses the run with a separate parser and keeps its messages. Returns false if `drops` is set. */
  admit(_source: Source, { chunk, from, end, tickets }: Run): boolean {
    if (this.drops) return false
    const stream = chunk.subarray(from, end)
    const parsed: Omit<Admitted, 'ticket'>[] = []
    const parser = parsePackets()
    parser.on('packet', packet => {
      assert.equal(packet.cmd, 'publish')
      const { topic, payload, dup } = packet as IPublishPacket
      parsed.push({ topic, payload: (payload as Buffer).toString('latin1'), dup })
    })
    assert.equal(parser.parse(stream), 0, 'a run has whole packets')
    assert.equal(parsed.length, tickets.length)
    for (const [i, message] of parsed.entries()) this.admitted.push({ ticket: tickets[i]!, ...message })
    this.runs.push(tickets.length)
    return true
  }
}

export interface BenchOptions {
  readonly identity?: Partial<Identity>
  readonly window?: Window
  readonly rate?: Rate
  readonly budget?: Budget
}

export class GateBench {
  readonly socket = new FakeSocket()
  readonly admission = new FakeAdmission()
  readonly run = new Run()
  readonly window: Window
  readonly budget: Budget
  readonly gate: Gate
  /** The codes of the rules that the client broke. */
  readonly denials: string[] = []
  /** Internal faults of the gate. */
  readonly failures: string[] = []
  #settled = 0

  constructor(t: TestContext, options: BenchOptions = {}) {
    const { identity, window = new Window(), rate = unlimited(), budget = new Budget(1024 ** 3) } = options
    this.window = window
    this.budget = budget
    budget.connected()
    this.gate = new Gate({
      socket: this.socket as unknown as TLSSocket,
      identity: {
        name: 'c1',
        role: 'edge',
        chargers: ['c1'],
        issuer: 'CN=test',
        serial: '01',
        validToMs: 0,
        ...identity
      },
      window,
      rate,
      budget,
      admission: this.admission,
      run: this.run,
      denied: (_gate, { code }) => this.denials.push(code),
      failed: error => this.failures.push(error.message)
    })
    t.after(() => this.gate.destroy())
  }

  /** Returns a bench after CONNECT and CONNACK. */
  static opened(t: TestContext, options: BenchOptions & { keepaliveSeconds?: number } = {}): GateBench {
    const bench = new GateBench(t, options)
    if (options.keepaliveSeconds !== undefined) bench.gate.keepalive.keepAlive(options.keepaliveSeconds)
    bench.arrive(packets.connect())
    bench.passed()
    bench.open()
    return bench
  }

  open(): void {
    this.gate.open()
    this.socket.flow()
  }

  arrive(...chunks: readonly Buffer[]): void {
    for (const chunk of chunks) this.socket.arrive(chunk)
  }

  /** Returns the bytes that Aedes reads now. */
  passed(): Buffer {
    const chunks: Buffer[] = []
    for (let chunk = this.gate.read(); chunk !== null; chunk = this.gate.read()) {
      chunks.push(chunk)
      this.socket.flow()
    }
    return Buffer.concat(chunks)
  }

  /** Settles the next `count` admitted messages as one Batch. */
  settle(count: number): void {
    const tickets = this.admission.admitted.map(({ ticket }) => ticket)
    this.gate.settle(tickets, this.#settled, this.#settled + count)
    this.#settled += count
    this.gate.acknowledge()
    this.socket.flow()
  }

  get unsettled(): number {
    return this.admission.admitted.length - this.#settled
  }

  /** Returns the bytes that were written to the client since the last call, one buffer for each write. */
  written(): Buffer[] {
    return this.socket.written.splice(0)
  }

  get payloads(): string[] {
    return this.admission.admitted.map(({ payload }) => payload)
  }
}

const unlimited = (): Rate => new Rate({ messagesPerSecond: 1e12, bytesPerSecond: 1e12 })

interface FakeTimer {
  atMs: number
  refresh(): FakeTimer
}

/** Timers that support `refresh`. The timers of `mock.timers` do not. */
export class FakeTimers {
  #nowMs = 0
  readonly #pending = new Map<FakeTimer, () => void>()

  constructor(t: TestContext) {
    t.mock.method(performance, 'now', () => this.#nowMs)
    t.mock.method(globalThis, 'setTimeout', ((run: () => void, ms: number) => this.#set(run, ms)) as never)
    t.mock.method(globalThis, 'clearTimeout', ((timer: FakeTimer) => void this.#pending.delete(timer)) as never)
  }

  get count(): number {
    return this.#pending.size
  }

  tick(ms: number): void {
    this.#nowMs += ms
    for (const [timer, run] of [...this.#pending]) {
      if (timer.atMs > this.#nowMs) continue
      this.#pending.delete(timer)
      run()
    }
  }

  #set(run: () => void, ms: number): FakeTimer {
    const timer: FakeTimer = {
      atMs: 0,
      refresh: () => {
        timer.atMs = this.#nowMs + ms
        this.#pending.set(timer, run)
        return timer
      }
    }
    return timer.refresh()
  }
}
