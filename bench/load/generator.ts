// The load generator, as a process of its own: simulates a share of the fleet. It answers the parent's calls one at a
// time, and reports each second what happened in that second.

import { setTimeout as sleep } from 'node:timers/promises'
import { serveCalls } from './calls.ts'
import { columns as allColumns } from './columns.ts'
import { Connection, type Shared } from './connection.ts'
import { Credentials } from './credentials.ts'
import { Flow } from './flow.ts'
import { Histogram, type HistogramCounts } from './histogram.ts'
import { Ledger } from './ledger.ts'
import { Session } from './session.ts'

export interface GeneratorOptions {
  readonly host: string
  readonly port: number
  readonly certs: string
  readonly names: readonly string[]
  /** The number of the first charger within the whole fleet. */
  readonly firstIndex: number
  readonly values: number
  readonly qos: 0 | 1 | 2
  /** The most polls in flight per connection. */
  readonly window: number
  readonly stepMs: number | undefined
  readonly firstTimeMs: number
  /** Polls per second of this process. Undefined: each connection sends as fast as its window allows. */
  readonly pollsPerSecond: number | undefined
  /** The share of the chargers that leave and come back, per second. */
  readonly churnPerSecond: number
}

/** All figures count from the start. */
export interface Tally {
  readonly atMs: number
  readonly cpuMs: number
  readonly rssBytes: number
  readonly acknowledged: number
  readonly sent: number
  /** The number of messages that are due and not acknowledged, sent or not. */
  readonly waiting: number
  readonly losses: number
  readonly open: number
}

export interface Opened {
  readonly resumed: number
  readonly retries: number
  /** Milliseconds from the first attempt to CONNACK. */
  readonly latency: HistogramCounts
}

/** A report that the generator sends each second, without a call: what happened in that second. */
export interface Second {
  readonly second: number
  readonly acknowledged: number
  readonly latency: HistogramCounts
}

export interface GeneratorCalls {
  /** Makes the certificates of all connections that are not open. Opening them afterwards does no other work. */
  prepare(): Promise<void>
  /** Opens all connections that are not open, `atOnce` of them at the same time. */
  open(how: { atOnce: number; resume: boolean }): Promise<Opened>
  start(): Promise<void>
  /** Returns the figures and the latencies since the mark before. Each mark resets the latencies. */
  mark(): Promise<Tally & { readonly latency: HistogramCounts; readonly maxUs: number }>
  tally(): Promise<Tally>
  allow(polls: number): Promise<void>
  /** Resolves with false when the acknowledgements did not all arrive in time. */
  stop(timeoutMs: number): Promise<boolean>
  ledger(): Promise<Float64Array>
  /** Cuts every connection. */
  cut(): Promise<void>
  exit(): Promise<void>
}

const retryDelayMs = 200
const comeBackMs = 3_000
const pingIntervalMs = 5_000
const attemptsMax = 300

class Generator implements GeneratorCalls {
  readonly #options: GeneratorOptions
  readonly #connections: Connection[]
  readonly #latency: Histogram
  readonly #secondLatency = new Histogram()
  readonly #ledger: Ledger
  readonly #flow = new Flow()
  readonly #timers: NodeJS.Timeout[] = []
  #isRunning = false

  private constructor(options: GeneratorOptions, credentials: Credentials) {
    this.#options = options
    const columns = allColumns.slice(0, options.values)
    this.#ledger = new Ledger(options.names.length, columns.length)
    this.#latency = new Histogram()
    const both = { recordMs: (ms: number) => this.#record(ms) }
    const shared: Shared = {
      ...options,
      columns,
      isEager: options.pollsPerSecond === undefined,
      ledger: this.#ledger,
      latency: both,
      flow: this.#flow
    }
    this.#connections = options.names.map(
      (name, i) =>
        new Connection(i, name, () => credentials.contextOf(name), new Session(options.firstIndex + i), shared)
    )
  }

  static async create(options: GeneratorOptions): Promise<Generator> {
    return new Generator(options, await Credentials.open(options.certs, options.names))
  }

  async prepare(): Promise<void> {
    for (const connection of this.#connections) connection.prepare()
  }

  async open({ atOnce, resume }: { atOnce: number; resume: boolean }): Promise<Opened> {
    const latency = new Histogram()
    const closed = this.#connections.filter(({ isOpen }) => !isOpen)
    let [next, resumed, retries] = [0, 0, 0]
    const openNext = async (): Promise<void> => {
      while (next < closed.length) {
        const connection = closed[next++]!
        const startedMs = performance.now()
        for (let attempt = 1; ; attempt++) {
          try {
            if (await connection.open(resume)) resumed++
            break
          } catch (error) {
            if (attempt === attemptsMax) throw error
            retries++
            await sleep(retryDelayMs * (0.5 + Math.random()))
          }
        }
        latency.recordMs(performance.now() - startedMs)
      }
    }
    await Promise.all(Array.from({ length: Math.min(atOnce, closed.length) }, openNext))
    return { resumed, retries, latency: latency.counts() }
  }

  async start(): Promise<void> {
    this.#isRunning = true
    for (const connection of this.#connections) connection.start()
    const { pollsPerSecond, churnPerSecond } = this.#options
    if (pollsPerSecond !== undefined) this.#pace(pollsPerSecond)
    this.#timers.push(
      setInterval(() => this.#reopenLost(), 1_000),
      setInterval(() => this.#ping(), pingIntervalMs)
    )
    if (churnPerSecond > 0) {
      const cutOne = (): void => void this.#leaveAndComeBack()
      this.#timers.push(setInterval(cutOne, 1_000 / (churnPerSecond * this.#connections.length)))
    }
    this.#tellSeconds()
  }

  async mark(): Promise<Tally & { latency: HistogramCounts; maxUs: number }> {
    const latency = { latency: this.#latency.counts(), maxUs: this.#latency.maxUs }
    this.#latency.reset()
    return { ...(await this.tally()), ...latency }
  }

  async tally(): Promise<Tally> {
    const { user, system } = process.cpuUsage()
    return {
      atMs: performance.timeOrigin + performance.now(),
      cpuMs: (user + system) / 1000,
      rssBytes: process.memoryUsage.rss(),
      acknowledged: this.#total(({ acknowledged }) => acknowledged),
      sent: this.#total(({ sent }) => sent),
      waiting: this.#total(({ waiting }) => waiting),
      losses: this.#total(({ losses }) => losses),
      open: this.#total(({ isOpen }) => (isOpen ? 1 : 0))
    }
  }

  async allow(polls: number): Promise<void> {
    this.#flow.allow(polls)
  }

  async stop(timeoutMs: number): Promise<boolean> {
    const stopped = Promise.all(this.#connections.map(connection => connection.stop())).then(() => true)
    const isDone = await Promise.race([stopped, sleep(timeoutMs, false, { ref: false })])
    this.#isRunning = false
    for (const timer of this.#timers.splice(0)) clearInterval(timer)
    return isDone
  }

  async ledger(): Promise<Float64Array> {
    return this.#ledger.entries
  }

  async cut(): Promise<void> {
    for (const connection of this.#connections) connection.close()
  }

  async exit(): Promise<void> {
    await this.cut()
    setImmediate(() => process.exit(0))
  }

  #record(ms: number): void {
    this.#latency.recordMs(ms)
    this.#secondLatency.recordMs(ms)
  }

  /** Gives each charger its poll in turn, evenly over time. */
  #pace(pollsPerSecond: number): void {
    const startMs = performance.now()
    const { length } = this.#connections
    let made = 0
    const tick = (): void => {
      if (!this.#isRunning) return
      const due = Math.floor(((performance.now() - startMs) / 1000) * pollsPerSecond)
      for (; made < due; made++) this.#connections[made % length]!.offer(startMs + (made / pollsPerSecond) * 1000)
      setTimeout(tick, 1)
    }
    tick()
  }

  async #leaveAndComeBack(): Promise<void> {
    const connection = this.#connections[Math.floor(Math.random() * this.#connections.length)]!
    if (!connection.isOpen) return
    connection.close()
    await sleep(Math.random() * comeBackMs)
    await this.#reopen(connection)
  }

  #reopenLost(): void {
    for (const connection of this.#connections) if (connection.isLost) void this.#reopen(connection)
  }

  /** Opens the connection again. After a failure the connection counts as lost, and the timer tries again. */
  async #reopen(connection: Connection): Promise<void> {
    try {
      await connection.open(true)
    } catch {
      connection.isLost = true
    }
  }

  #ping(): void {
    const nowMs = performance.now()
    for (const connection of this.#connections) connection.ping(nowMs)
  }

  #tellSeconds(): void {
    let second = 0
    let before = this.#total(({ acknowledged }) => acknowledged)
    this.#timers.push(
      setInterval(() => {
        const acknowledged = this.#total(connection => connection.acknowledged)
        const news: Second = {
          second: second++,
          acknowledged: acknowledged - before,
          latency: this.#secondLatency.counts()
        }
        before = acknowledged
        this.#secondLatency.reset()
        process.send!({ news })
      }, 1_000)
    )
  }

  #total(of: (connection: Connection) => number): number {
    let total = 0
    for (const connection of this.#connections) total += of(connection)
    return total
  }
}

serveCalls((options: GeneratorOptions) => Generator.create(options))
