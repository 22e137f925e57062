// One measurement: a fleet against a target. The fleet connects and warms up. The measurement lies between two marks.
// Then the bench waits for every acknowledgement and verifies the stored rows. Only a verified run has figures.

import { cpus } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Column } from '../load/columns.ts'
import type { Tally } from '../load/generator.ts'
import { Histogram } from '../load/histogram.ts'
import type { Progress } from '../progress.ts'
import type { Figures, Moment, Run } from '../report/result.ts'
import { Crew, type OpenReport } from './crew.ts'
import { bucketsBetween, risen, type Scrape } from './metrics.ts'
import type { FleetNames } from './names.ts'
import { type CpuReading, cpuMsOf, machineBusyMs } from './processes.ts'
import type { Target } from './target.ts'
import { VerifyError } from './verify.ts'

/** The load that a fleet generates. */
export interface Load {
  readonly names: FleetNames
  readonly columns: readonly Column[]
  readonly qos: 0 | 1 | 2
  /** The most messages of a charger that may be unacknowledged. */
  readonly window: number
  /** Messages per second. Undefined: the fleet sends as fast as its messages are acknowledged. */
  readonly rate: number | undefined
  readonly seconds: number
  /** The share of the fleet that leaves and comes back, in per cent per minute. */
  readonly churn: number
  readonly processes: number
}

export interface Measured {
  readonly figures: Figures
  readonly cpuUs: Readonly<Record<string, number>>
  readonly moments: readonly Moment[]
  readonly latency: Histogram
  readonly before: Snapshot
  readonly after: Snapshot
}

interface Snapshot {
  readonly tally: Tally & { readonly latency: Histogram }
  readonly stored: number
  readonly cpu: CpuReading
  readonly busyMs: number
  /** CPU of the bench's own process. */
  readonly benchMs: number
  readonly scrape: Scrape | undefined
  readonly rssBytes: number | undefined
}

const warmUpSeconds = (seconds: number): number => Math.min(3, seconds)
const handshakesAtOnce = 64
const ackTimeoutMs = 60_000
const storeStallMs = 15_000
/** The most messages that may wait in a target that acknowledges before it stores. */
const waitingMax = 20_000
const hourMs = 3_600_000

/** Does the whole run, from the first connection to the verdict. Throws VerifyError when the run is not verified. */
export async function measureRun(
  target: Target,
  load: Load,
  repeat: number,
  progress: Progress
): Promise<{ run: Run; ledger: Float64Array }> {
  const fleet = await Fleet.connect(target, load, progress)
  try {
    await fleet.start()
    const measured = await fleet.measure(load.seconds)
    const { verified, ledger } = await fleet.finish()
    return { run: runOf(target.name, repeat, verified, measured), ledger }
  } finally {
    await fleet.end()
  }
}

export const runOf = (target: string, repeat: number, verified: string, measured: Measured): Run => ({
  target,
  repeat,
  verified,
  figures: measured.figures,
  cpuUs: measured.cpuUs,
  moments: measured.moments,
  latency: measured.latency.counts(),
  batchRows: bucketsBetween(measured.before.scrape, measured.after.scrape, 'chargelift_batch_rows')
})

export class Fleet {
  readonly crew: Crew
  readonly #target: Target
  readonly #load: Load
  readonly #progress: Progress
  #governor: Promise<void> | undefined
  #isGoverned = true

  private constructor(crew: Crew, target: Target, load: Load, progress: Progress) {
    this.crew = crew
    this.#target = target
    this.#load = load
    this.#progress = progress
  }

  /** Makes the fleet and connects every charger. */
  static async connect(target: Target, load: Load, progress: Progress): Promise<Fleet> {
    const fleet = await Fleet.create(target, load, progress)
    try {
      await fleet.open(handshakesAtOnce, false)
    } catch (error) {
      await fleet.end()
      throw error
    }
    return fleet
  }

  /** Makes the fleet without connecting a charger. */
  static async create(target: Target, load: Load, progress: Progress): Promise<Fleet> {
    const { names, columns, qos, rate, churn, processes, window } = load
    const crew = await Crew.start({
      ...target.address,
      names: names.names,
      values: columns.length,
      qos,
      window: Math.max(1, Math.floor(window / columns.length)),
      ...samplingTimes(load),
      pollsPerSecond: rate === undefined ? undefined : rate / columns.length,
      churnPerSecond: churn / 100 / 60,
      processes: Math.min(processes, names.names.length)
    })
    return new Fleet(crew, target, load, progress)
  }

  async open(atOnce: number, resume: boolean): Promise<OpenReport> {
    const { length } = this.#load.names.names
    let isDone = false
    const watching = (async () => {
      while (!isDone) {
        const { open } = await this.crew.tally()
        this.#progress.show(`${this.#target.name}: connecting`, open / length, `${open} of ${length}`)
        await sleep(250)
      }
    })()
    try {
      return await this.crew.open(atOnce, resume)
    } finally {
      isDone = true
      await watching.catch(() => {})
    }
  }

  async start(): Promise<void> {
    if (this.#target.stored !== undefined) this.#governor = this.#govern(this.#target.stored)
    await this.crew.start()
    await this.wait(warmUpSeconds(this.#load.seconds), 'warming up')
  }

  /** Measures the next seconds. */
  measure(seconds: number): Promise<Measured> {
    return this.measureWhile(() => this.wait(seconds, 'measuring'))
  }

  /** Measures while `work` runs. */
  async measureWhile(work: () => Promise<void>): Promise<Measured> {
    const firstSecond = this.crew.seconds.length
    const rss: number[] = []
    const before = await this.#snapshot()
    const sampling = setInterval(() => rss.push(this.#target.rssBytes() ?? Number.NaN), 1_000)
    try {
      await work()
    } finally {
      clearInterval(sampling)
    }
    const after = await this.#snapshot()
    const moments = this.crew.seconds.slice(firstSecond).map((second, i) => ({
      second: i + 1,
      messagesPerSecond: second.acknowledged,
      p50Ms: known(second.p50Ms),
      p99Ms: known(second.p99Ms),
      rssMb: known(megabytes(rss[i]))
    }))
    const cpuUs = this.#cpuPerMessage(before, after)
    return {
      figures: { ...this.#figures(before, after, cpuUs), ...rssFigures(rss, after) },
      cpuUs,
      moments,
      latency: after.tally.latency,
      before,
      after
    }
  }

  /**
   * Waits until every message is acknowledged and stored, and verifies the rows. Resolves with a sentence about what
   * was verified. Throws VerifyError.
   */
  async finish(timeoutMs = ackTimeoutMs): Promise<{ verified: string; ledger: Float64Array }> {
    this.#progress.show(`${this.#target.name}: waiting for every acknowledgement`)
    const isDone = await this.crew.stop(timeoutMs)
    const { sent, acknowledged } = await this.crew.tally()
    if (!isDone) {
      throw new VerifyError([
        `${sent - acknowledged} of ${sent} messages not acknowledged within ${timeoutMs / 1000} s`
      ])
    }
    if (this.#target.stored !== undefined) await untilStored(this.#target.stored, acknowledged)
    this.#isGoverned = false
    this.#progress.show(`${this.#target.name}: verifying`)
    const ledger = await this.crew.ledger()
    await this.#verify(ledger)
    const what = this.#load.qos === 0 ? 'messages sent' : 'acknowledged messages'
    return { verified: `${acknowledged} ${what} are what is stored: none lost, none doubled, sums equal`, ledger }
  }

  /**
   * Verifies the stored rows. With QoS 0 no acknowledgement says when a message is stored, so the check repeats for a
   * while.
   */
  async #verify(ledger: Float64Array): Promise<void> {
    const untilMs = performance.now() + (this.#load.qos === 0 ? storeStallMs : 0)
    for (;;) {
      try {
        return await this.#target.verify(ledger)
      } catch (error) {
        if (!(error instanceof VerifyError) || performance.now() >= untilMs) throw error
        await sleep(200)
      }
    }
  }

  async end(): Promise<void> {
    this.#isGoverned = false
    await this.#governor?.catch(() => {})
    await this.crew.end()
  }

  async wait(seconds: number, step: string): Promise<void> {
    const startMs = performance.now()
    const passed = (): number => (performance.now() - startMs) / 1000
    while (passed() < seconds) {
      const rate = this.crew.seconds.at(-1)?.acknowledged
      const detail = `${Math.round(passed())} of ${seconds} s${rate === undefined ? '' : `, ${rate} messages/s`}`
      this.#progress.show(`${this.#target.name}: ${step}`, passed() / seconds, detail)
      await sleep(Math.min(250, Math.max(1, (seconds - passed()) * 1000)))
    }
  }

  /** Lets the fleet send more only as far as its messages have been stored. */
  async #govern(stored: () => Promise<number>): Promise<void> {
    const { columns } = this.#load
    while (this.#isGoverned) {
      await this.crew.allow(Math.floor(((await stored()) + waitingMax) / columns.length))
      await sleep(20)
    }
  }

  async #snapshot(): Promise<Snapshot> {
    const { metrics, stored, cpu, rssBytes } = this.#target
    const [tally, scrape, storedNow] = await Promise.all([this.crew.mark(), metrics(), stored?.()])
    return {
      tally,
      scrape,
      stored: storedNow ?? tally.acknowledged,
      cpu: cpu(),
      busyMs: machineBusyMs(),
      benchMs: cpuMsOf(process.pid),
      rssBytes: rssBytes()
    }
  }

  #cpuPerMessage(before: Snapshot, after: Snapshot): Record<string, number> {
    const messages = after.stored - before.stored
    if (messages === 0) return {}
    const us = (ms: number): number => (ms * 1000) / messages
    const parts = Object.entries(after.cpu).map(([part, ms]) => [part, us(ms - (before.cpu[part] ?? 0))] as const)
    return { ...Object.fromEntries(parts), generator: us(after.tally.cpuMs - before.tally.cpuMs) }
  }

  #figures(before: Snapshot, after: Snapshot, cpuUs: Readonly<Record<string, number>>): Figures {
    const seconds = (after.tally.atMs - before.tally.atMs) / 1000
    const messages = after.stored - before.stored
    const rows = risen(before.scrape, after.scrape, 'chargelift_batch_rows_sum') ?? messages / this.#load.columns.length
    const batches = risen(before.scrape, after.scrape, 'chargelift_batch_rows_count')
    const active = risen(before.scrape, after.scrape, 'chargelift_event_loop_active_seconds_total')
    const { p50, p90, p99, max } = (this.#load.qos === 0 ? new Histogram() : after.tally.latency).percentilesMs()
    const { storing } = this.#target
    const sumOf = (parts: readonly string[]): number | undefined =>
      parts.every(part => cpuUs[part] !== undefined) ? parts.reduce((sum, part) => sum + cpuUs[part]!, 0) : undefined
    const ownMs = Object.entries(after.cpu).reduce((sum, [part, ms]) => sum + ms - (before.cpu[part] ?? 0), 0)
    const othersMs =
      after.busyMs - before.busyMs - ownMs - (after.tally.cpuMs - before.tally.cpuMs) - (after.benchMs - before.benchMs)
    return defined({
      messagesPerSecond: messages / seconds,
      rowsPerSecond: { poll: rows, message: messages, nothing: Number.NaN }[this.#target.row] / seconds,
      ackP50Ms: p50,
      ackP90Ms: p90,
      ackP99Ms: p99,
      ackMaxMs: max,
      serverUs: sumOf(storing.filter(part => part !== 'database')),
      databaseUs: cpuUs.database,
      storingUs: sumOf(storing),
      generatorUs: cpuUs.generator,
      eventLoopPercent: active === undefined ? undefined : (active / seconds) * 100,
      batchRows: batches ? rows / batches : undefined,
      lossCount: after.tally.losses - before.tally.losses || undefined,
      generatorRssMb: megabytes(after.tally.rssBytes),
      othersPercent: (Math.max(0, othersMs) / (seconds * 1000 * cpus().length)) * 100
    })
  }
}

/**
 * SamplingTime is the current time for a fleet that polls at a rate, and for a fleet that polls again at each
 * acknowledgement. A backlog lies in the last two days, because older rows would be late. Its samples are as far apart
 * as the fastest run allows.
 */
function samplingTimes({ rate, window, columns, names, seconds }: Load): {
  firstTimeMs: number
  stepMs: number | undefined
} {
  if (rate !== undefined || window <= columns.length) return { firstTimeMs: Date.now() - 1_000, stepMs: undefined }
  const spanMs = 47 * hourMs
  const pollsPerSecondMax = 400_000
  const polls = (pollsPerSecondMax / names.names.length) * (seconds + 30)
  return { firstTimeMs: Date.now() - 48 * hourMs, stepMs: Math.max(1, Math.min(1_000, Math.floor(spanMs / polls))) }
}

async function untilStored(stored: () => Promise<number>, expected: number): Promise<void> {
  let [count, sinceMs] = [await stored(), performance.now()]
  while (count < expected && performance.now() - sinceMs < storeStallMs) {
    await sleep(100)
    const now = await stored()
    if (now !== count) sinceMs = performance.now()
    count = now
  }
}

function rssFigures(rss: readonly number[], { rssBytes }: Snapshot): Figures {
  const samples = rss.filter(bytes => !Number.isNaN(bytes))
  return defined({
    serverRssMb: megabytes(rssBytes),
    serverRssMaxMb: samples.length > 0 ? megabytes(Math.max(...samples)) : undefined
  })
}

const megabytes = (bytes: number | undefined): number => (bytes ?? Number.NaN) / 1e6
const known = (value: number): number | null => (Number.isFinite(value) ? value : null)

/** The figures without those that are undefined or not finite. */
export const defined = (figures: Partial<Record<keyof Figures, number | undefined>>): Figures =>
  Object.fromEntries(Object.entries(figures).filter(([, value]) => value !== undefined && Number.isFinite(value)))
