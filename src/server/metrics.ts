// The numbers of a server for Prometheus, read from the parts at scrape time: the data path itself only counts.

import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import type { Ingest } from '../ingest/ingest.ts'

export interface MetricsSources {
  readonly ingest: Pick<Ingest, 'counters' | 'lanes' | 'trouble'>
  readonly connections: () => number
  readonly certificateValidToMs: number
  readonly crlNextUpdateMs: number | undefined
}

export class Metrics {
  readonly registry = new Registry()
  readonly #denied: Counter
  readonly #commitSeconds: Histogram
  readonly #batchRows: Histogram

  constructor({ ingest, connections, certificateValidToMs, crlNextUpdateMs }: MetricsSources) {
    const { registry } = this
    const registers = [registry]
    const { counters } = ingest
    collectDefaultMetrics({ register: registry })
    const counter = (name: string, help: string, value: () => number): void => {
      const metric: Counter = new Counter({
        name,
        help,
        registers,
        collect() {
          this.reset()
          this.inc(value())
        }
      })
      void metric
    }
    const gauge = (name: string, help: string, value: () => number): void => {
      const metric: Gauge = new Gauge({
        name,
        help,
        registers,
        collect() {
          this.set(value())
        }
      })
      void metric
    }
    counter('chargelift_messages_received_total', 'Telemetry messages admitted or dropped.', () => counters.received)
    counter('chargelift_messages_committed_total', 'Messages committed to the database.', () => counters.committed)
    counter(
      'chargelift_messages_dropped_total',
      'QoS 0 messages dropped over the memory budget.',
      () => counters.dropped
    )
    gauge(
      'chargelift_messages_in_flight',
      'Messages admitted and not yet committed or rejected.',
      () => counters.inFlight
    )
    new Counter({
      name: 'chargelift_messages_rejected_total',
      help: 'Messages stored in rejected_messages, by reason.',
      labelNames: ['reason'],
      registers,
      collect() {
        this.reset()
        for (const [reason, count] of counters.rejected) this.inc({ reason }, count)
      }
    })
    gauge('chargelift_connections', 'Open MQTT connections.', connections)
    gauge('chargelift_database_up', '1 while batches are stored, 0 while they are kept and retried.', () =>
      ingest.trouble === undefined ? 1 : 0
    )
    gauge('chargelift_certificate_expiry_seconds', "Seconds until the server's certificate ends.", () =>
      secondsUntil(certificateValidToMs)
    )
    if (crlNextUpdateMs !== undefined) {
      gauge('chargelift_crl_expiry_seconds', 'Seconds until the revocation list asks to be renewed.', () =>
        secondsUntil(crlNextUpdateMs)
      )
    }
    new Gauge({
      name: 'chargelift_lane_backlog_messages',
      help: 'Messages admitted and not settled, by lane.',
      labelNames: ['lane'],
      registers,
      collect() {
        ingest.lanes.forEach((lane, i) => {
          this.set({ lane: String(i) }, lane.backlog)
        })
      }
    })
    this.#denied = new Counter({
      name: 'chargelift_denied_total',
      help: 'Connections and messages refused, by rule.',
      labelNames: ['rule'],
      registers
    })
    this.#commitSeconds = new Histogram({
      name: 'chargelift_batch_commit_seconds',
      help: 'Time from handing a batch to a worker to its commit.',
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
      registers
    })
    this.#batchRows = new Histogram({
      name: 'chargelift_batch_rows',
      help: 'Rows per batch.',
      buckets: [1, 3, 10, 30, 100, 300, 1_000, 3_000, 10_000, 30_000],
      registers
    })
  }

  denied(rule: string): void {
    this.#denied.inc({ rule })
  }

  batchStored(seconds: number, rows: number): void {
    this.#commitSeconds.observe(seconds)
    this.#batchRows.observe(rows)
  }
}

const secondsUntil = (ms: number): number => Math.round((ms - Date.now()) / 1000)
