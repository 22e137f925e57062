// The counters and histograms that the data path feeds. Made first, so that every part can count from its start. The
// exposition shows them.

import { Counter, Histogram, type Metric } from 'prom-client'
import type { Batch } from '../../ingest/batch.ts'
import { WeightedHistogram } from './weightedHistogram.ts'

/** Of both histograms of seconds. */
export const secondsBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]

/** Empty: the exposition registers the metrics. */
const registers: [] = []

export class Recorder {
  readonly commitSeconds = new WeightedHistogram({
    name: 'chargelift_batch_commit_seconds',
    help: 'Time from handing a batch to a worker to its commit.',
    buckets: secondsBuckets
  })
  readonly ackSeconds = new WeightedHistogram({
    name: 'chargelift_ack_seconds',
    help: 'Time from reading a message to writing its acknowledgement, which is after its commit.',
    buckets: secondsBuckets
  })
  readonly #rejectedEvicted = new Counter({
    name: 'chargelift_rejected_evicted_total',
    help: 'Rejected messages deleted because they were too many or too old, by quota.',
    labelNames: ['quota'],
    registers
  })
  readonly #batchRows = new Histogram({
    name: 'chargelift_batch_rows',
    help: 'Rows per batch.',
    buckets: [1, 3, 10, 30, 100, 300, 1_000, 3_000, 10_000, 30_000],
    registers
  })
  #rows = 0

  /** For the exposition. */
  get metrics(): readonly Metric[] {
    return [this.#rejectedEvicted, this.commitSeconds.metric, this.ackSeconds.metric, this.#batchRows]
  }

  /** Rows written since the start. */
  get rows(): number {
    return this.#rows
  }

  rejectedEvicted(quota: string, count: number): void {
    this.#rejectedEvicted.inc({ quota }, count)
  }

  batchStored(seconds: number, rows: number): void {
    this.commitSeconds.observe(seconds)
    this.#batchRows.observe(rows)
    this.#rows += rows
  }

  /** Counts all messages of a batch, a run at a time. */
  acknowledged(batch: Batch, outcomes: Uint8Array): void {
    batch.eachWait(performance.now(), outcomes, (seconds, messages) => this.ackSeconds.observe(seconds, messages))
  }
}
