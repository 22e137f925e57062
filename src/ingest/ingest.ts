// The ingest path as the server composes it: lanes -> workers -> commit -> acknowledge. Gives the broker its `admit`.
// Every admitted message is settled once, or kept; QoS 0 over the budget is dropped and counted.

import { availableParallelism } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Admission, Newest, Source, Telemetry } from '../model/admission.ts'
import type { RejectCode } from '../model/errors.ts'
import type { Batch } from './batch.ts'
import { Dispatch } from './dispatch.ts'
import { Lane, type LaneReport } from './lane.ts'
import type { BatchKept, BatchResult } from './outcome.ts'

export interface IngestOptions {
  readonly databaseUrl: string
  readonly workers: number
  readonly acceptPastMs: number
  readonly budgetBytes: number
  readonly now: () => number
  /** What advanced, after its acknowledgements. */
  readonly committed: (newest: Newest) => void
  readonly report: IngestReport
}

export interface IngestReport extends LaneReport {
  /** The database answers again after `kept`. */
  recovered(): void
}

/** received = committed + rejected + in flight + dropped, at every moment. */
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

/** At most four: more connections than that only compete in the database. */
export const workersDefault = (): number => Math.min(4, Math.max(2, availableParallelism()))

export class Ingest implements Admission {
  readonly counters = new IngestCounters()
  readonly lanes: readonly Lane[]
  readonly #options: IngestOptions
  readonly #dispatch: Dispatch
  /** Why the newest attempt kept its batch; undefined while the database stores. */
  trouble: BatchKept['retry'] | undefined

  constructor(options: IngestOptions) {
    this.#options = options
    this.#dispatch = new Dispatch(options)
    const report: LaneReport = {
      stored: (result, seconds, batch) => this.#stored(result, seconds, batch),
      kept: (reason, attempt) => this.#kept(reason, attempt)
    }
    this.lanes = Array.from(
      { length: options.workers },
      () =>
        new Lane({
          store: batch => this.#dispatch.store(batch),
          now: options.now,
          report,
          committed: options.committed
        })
    )
  }

  admit(source: Source, telemetry: Telemetry): boolean {
    this.counters.received++
    if (telemetry.ticket === 0 && this.pressure() >= 1) {
      this.counters.dropped++
      return false
    }
    this.laneOf(source.identity.name).admit(source, telemetry)
    return true
  }

  pressure(): number {
    let bytes = 0
    for (const lane of this.lanes) bytes += lane.backlogBytes
    return bytes / this.#options.budgetBytes
  }

  /** Always the same lane for an identity, so that its acknowledgements keep their order. */
  laneOf(identity: string): Lane {
    let lane = this.#laneByIdentity.get(identity)
    if (lane === undefined) {
      lane = this.lanes[hash(identity) % this.lanes.length]!
      this.#laneByIdentity.set(identity, lane)
    }
    return lane
  }
  readonly #laneByIdentity = new Map<string, Lane>()

  /** Stores and acknowledges what is admitted, for at most `timeoutMs`; then ends the workers. True when nothing is left. */
  async close(timeoutMs: number): Promise<boolean> {
    const drained = Promise.all(this.lanes.map(lane => lane.drain()))
    await Promise.race([drained, sleep(timeoutMs, undefined, { ref: false })])
    for (const lane of this.lanes) lane.stop()
    await this.#dispatch.close() // an attempt under way ends with its worker, and its batch is kept
    await drained
    return this.counters.inFlight === 0
  }

  #stored(result: BatchResult, seconds: number, batch: Batch): void {
    let rejected = 0
    for (const [code, count] of Object.entries(result.rejectedByCode) as [RejectCode, number][]) {
      this.counters.rejected.set(code, (this.counters.rejected.get(code) ?? 0) + count)
      rejected += count
    }
    this.counters.committed += batch.count - rejected
    if (this.trouble !== undefined) {
      this.trouble = undefined
      this.#options.report.recovered()
    }
    this.#options.report.stored(result, seconds, batch)
  }

  #kept(reason: BatchKept['retry'], attempt: number): void {
    this.trouble = reason
    this.#options.report.kept(reason, attempt)
  }
}

/** FNV-1a over UTF-16 code units. */
function hash(text: string): number {
  let value = 0x811c9dc5
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193)
  return value >>> 0
}
