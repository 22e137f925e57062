// The figures of the ingest page: the counters, and what they gained in the last seconds. Takes a look once a second,
// and keeps the looks of a minute.

import type { Ingest } from '../../ingest/ingest.ts'
import type { IngestFigures, Quantiles } from '../../model/api/api.ts'
import type { Condition } from '../../model/api/problem.ts'
import type { Budget } from '../../model/server/budget.ts'
import type { DatabaseWatch } from '../store/databaseWatch.ts'
import type { Credentials } from '../trust/credentials.ts'
import type { IngestShare } from './ingestOfAll.ts'
import type { Recorder } from './recorder.ts'
import type { HistogramCounts, WeightedHistogram } from './weightedHistogram.ts'

export interface IngestMeterOptions {
  readonly node: string
  readonly version: string
  readonly ingest: Pick<Ingest, 'counters' | 'lanes' | 'trouble'>
  readonly recorder: Pick<Recorder, 'commitSeconds' | 'ackSeconds' | 'rows'>
  readonly database: Pick<DatabaseWatch, 'fault' | 'failedJobs'>
  readonly budget: Pick<Budget, 'usedBytes' | 'limitBytes'>
  readonly credentials: Pick<Credentials, 'current'>
  readonly connections: () => number
  readonly problems: { readonly counts: ReadonlyMap<Condition, number>; readonly chargers: number }
  /** A clock that never steps back, ms. */
  readonly monotonicMs?: () => number
}

interface Look {
  readonly atMs: number
  readonly received: number
  readonly committed: number
  readonly rejected: number
  readonly rows: number
  readonly commits: HistogramCounts
  readonly acks: HistogramCounts
}

const lookIntervalMs = 1_000
/** Quantiles are of a minute. */
const looksMax = 61
/** Rates are over this many looks, so that single batches do not make them flicker. */
const rateLooks = 5

export class IngestMeter {
  readonly #options: IngestMeterOptions
  readonly #monotonicMs: () => number
  readonly #looks: Look[] = []

  constructor(options: IngestMeterOptions) {
    this.#options = options
    this.#monotonicMs = options.monotonicMs ?? (() => performance.now())
    this.look()
  }

  /** Takes looks until the returned function is called. */
  watch(): () => Promise<void> {
    const timer = setInterval(() => this.look(), lookIntervalMs).unref()
    return async () => clearInterval(timer)
  }

  look(): void {
    const { counters } = this.#options.ingest
    const { commitSeconds, ackSeconds, rows } = this.#options.recorder
    this.#looks.push({
      atMs: this.#monotonicMs(),
      received: counters.received,
      committed: counters.committed,
      rejected: counters.rejectedTotal,
      rows,
      commits: commitSeconds.counts(),
      acks: ackSeconds.counts()
    })
    if (this.#looks.length > looksMax) this.#looks.shift()
  }

  /** For the process that speaks for all processes. */
  share(): IngestShare {
    const { commitSeconds, ackSeconds } = this.#options.recorder
    const oldest = this.#looks[0]!
    return {
      figures: this.figures(),
      commits: [...commitSeconds.gained(oldest.commits)],
      acks: [...ackSeconds.gained(oldest.acks)]
    }
  }

  figures(): IngestFigures {
    const { node, version, ingest, recorder, database, budget, credentials, connections, problems } = this.#options
    const { counters, lanes, trouble } = ingest
    const oldest = this.#looks[0]!
    const last = this.#looks.at(-1)!
    const before = this.#looks.at(-1 - rateLooks) ?? oldest
    const seconds = (last.atMs - before.atMs) / 1000
    const rate = (name: 'received' | 'committed' | 'rejected' | 'rows'): number =>
      seconds === 0 ? 0 : Math.round(((last[name] - before[name]) / seconds) * 10) / 10
    const reason = database.fault ?? trouble?.message
    return {
      time: new Date().toISOString(),
      node,
      version,
      receivedPerSecond: rate('received'),
      committedPerSecond: rate('committed'),
      rejectedPerSecond: rate('rejected'),
      rowsPerSecond: rate('rows'),
      received: counters.received,
      committed: counters.committed,
      dropped: counters.dropped,
      inFlight: counters.inFlight,
      rejected: Object.fromEntries(counters.rejected),
      batchSeconds: quantilesOf(recorder.commitSeconds, oldest.commits),
      ackSeconds: quantilesOf(recorder.ackSeconds, oldest.acks),
      lanes: lanes.map(({ backlog }, lane) => ({ lane, backlog, late: lane === lanes.length - 1 })),
      database: { up: reason === undefined, reason: reason ?? null, failedJobs: database.failedJobs },
      connections: connections(),
      memory: { usedBytes: budget.usedBytes, limitBytes: budget.limitBytes },
      certificateDays: Math.floor((credentials.current.validToMs - Date.now()) / dayMs),
      chargers: problems.chargers,
      problems: Object.fromEntries(problems.counts) as Record<Condition, number>
    }
  }
}
const dayMs = 86_400_000

function quantilesOf(histogram: WeightedHistogram, before: HistogramCounts): Quantiles | null {
  const [p50, p99] = [histogram.quantile(0.5, before), histogram.quantile(0.99, before)]
  return p50 === undefined || p99 === undefined ? null : { p50, p99 }
}
