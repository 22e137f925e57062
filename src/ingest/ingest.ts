// The ingest path as the server composes it: lanes -> workers -> commit -> acknowledge. It gives the broker its
// `admit`. Every admitted message is settled once, or kept. A QoS 0 message over the budget is dropped and counted.

import { availableParallelism } from 'node:os'
import { atMost } from '../model/atMost.ts'
import type { RejectCode } from '../model/errors.ts'
import type { Admission, Newest, Run, Source } from '../model/server/admission.ts'
import type { Budget } from '../model/server/budget.ts'
import type { Batch } from './batch.ts'
import { Dispatch } from './lane/dispatch.ts'
import { Lane, type LaneReport } from './lane/lane.ts'
import { Routes } from './lane/routes.ts'
import { type BatchKept, type BatchResult, late } from './outcome.ts'

export interface IngestOptions {
  readonly databaseUrl: string
  readonly workers: number
  readonly acceptPastMs: number
  readonly budget: Budget
  readonly now: () => number
  /** Called with the values that advanced, after their acknowledgements. */
  readonly committed: (newest: Newest) => void
  readonly report: IngestReport
}

export interface IngestReport extends LaneReport {
  /** Called after `kept`, when every lane stores again. */
  recovered(): void
  /** Called when a worker thread ended by an error of its own and was replaced. */
  workerDied(error: Error): void
}

/** At every moment: received = committed + rejected + in flight + dropped. */
export class IngestCounters {
  received = 0
  committed = 0
  dropped = 0
  readonly rejected = new Map<RejectCode, number>()

  get rejectedTotal(): number {
    let total = 0
    for (const count of this.rejected.values()) total += count
    return total
  }

  get inFlight(): number {
    return this.received - this.committed - this.rejectedTotal - this.dropped
  }
}

/** At most four, because more connections only compete in the database. */
export const workersDefault = (): number => Math.min(4, Math.max(2, availableParallelism()))

export class Ingest implements Admission {
  readonly counters = new IngestCounters()
  /** The late lane is the last one. */
  readonly lanes: readonly Lane[]
  readonly #options: IngestOptions
  readonly #dispatch: Dispatch
  readonly #routes: Routes
  #wasInTrouble = false

  constructor(options: IngestOptions) {
    this.#options = options
    this.#dispatch = new Dispatch({ ...options, workerDied: error => options.report.workerDied(error) })
    const ordinary = Array.from({ length: options.workers }, () =>
      this.#openLane(batch => this.#dispatch.store(batch, this.#routes.lateIn(batch)))
    )
    const lateLane = this.#openLane(batch => this.#dispatch.storeLate(batch))
    this.lanes = [...ordinary, lateLane]
    this.#routes = new Routes(ordinary, lateLane)
  }

  /** Why a lane keeps its batch. Undefined while every lane stores. */
  get trouble(): BatchKept['retry'] | undefined {
    return this.lanes.find(({ trouble }) => trouble !== undefined)?.trouble
  }

  admit(source: Source, run: Run): boolean {
    const { budget } = this.#options
    const { length } = run.tickets
    this.counters.received += length
    if (run.tickets[0] === 0 && budget.isOver) {
      this.counters.dropped += length
      return false
    }
    budget.take(length, this.#routes.enter(source.identity.name, length).admit(source, run))
    return true
  }

  /**
   * Stores and acknowledges the admitted messages for at most `timeoutMs`, then ends the workers. True if no message is
   * left.
   */
  async close(timeoutMs: number): Promise<boolean> {
    const drained = this.#drain()
    await atMost(timeoutMs, drained)
    for (const lane of this.lanes) lane.stop()
    await this.#dispatch.close() // an attempt under way ends with its worker, and its batch is kept
    await drained
    return this.counters.inFlight === 0
  }

  /** Drains the late lane last, because the other lanes hand messages on to it. */
  async #drain(): Promise<void> {
    await Promise.all(this.lanes.slice(0, -1).map(lane => lane.drain()))
    await this.lanes.at(-1)!.drain()
  }

  #openLane(store: (batch: Batch) => Promise<BatchResult | BatchKept>): Lane {
    const report: LaneReport = {
      stored: (result, seconds, batch) => this.#stored(result, seconds, batch),
      kept: (reason, attempt) => this.#kept(reason, attempt),
      acknowledged: (batch, outcomes) => this.#options.report.acknowledged(batch, outcomes)
    }
    const { now, committed } = this.#options
    const lane: Lane = new Lane({
      store,
      now,
      report,
      settled: (batch, result) => this.#settled(lane, batch, result),
      committed
    })
    return lane
  }

  #settled(lane: Lane, batch: Batch, { outcomes, lateIdentities }: BatchResult): void {
    this.#options.budget.give(batch.count, batch.used)
    this.#routes.settled(lane, batch, lateIdentities)
    if (!outcomes.includes(late)) return
    batch.each(
      index => outcomes[index] === late,
      (source, run) => {
        this.#options.budget.take(1, this.#routes.moved(source.identity.name).admit(source, run))
      }
    )
  }

  #stored(result: BatchResult, seconds: number, batch: Batch): void {
    let rejected = 0
    for (const [code, count] of Object.entries(result.rejectedByCode) as [RejectCode, number][]) {
      this.counters.rejected.set(code, (this.counters.rejected.get(code) ?? 0) + count)
      rejected += count
    }
    let movedOn = 0
    for (const outcome of result.outcomes) if (outcome === late) movedOn++
    this.counters.committed += batch.count - rejected - movedOn
    if (this.#wasInTrouble && this.trouble === undefined) {
      this.#wasInTrouble = false
      this.#options.report.recovered()
    }
    this.#options.report.stored(result, seconds, batch)
  }

  #kept(reason: BatchKept['retry'], attempt: number): void {
    this.#wasInTrouble = true
    this.#options.report.kept(reason, attempt)
  }
}
