// The numbers of a server for Prometheus, read from the parts at scrape time: the data path itself only counts.

import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import type { Ingest } from '../ingest/ingest.ts'
import type { Budget } from '../model/budget.ts'
import type { HandshakeOutcome } from '../model/security.ts'
import type { TlsFiles } from './tls.ts'

export interface MetricsSources {
  readonly ingest: Pick<Ingest, 'counters' | 'lanes' | 'trouble'>
  readonly connections: () => number
  readonly offlineDropped: () => number
  readonly budget: Pick<Budget, 'usedBytes'>
  readonly tls: Pick<TlsFiles, 'validToMs' | 'revocation'>
}

export class Metrics {
  readonly registry = new Registry()
  readonly #denied: Counter
  readonly #handshakes: Counter
  readonly #rejectedEvicted: Counter
  readonly #commitSeconds: Histogram
  readonly #batchRows: Histogram

  constructor(sources: MetricsSources) {
    const registers = [this.registry]
    collectDefaultMetrics({ register: this.registry })
    this.#countMessages(sources.ingest)
    this.#watchState(sources)
    this.#denied = new Counter({
      name: 'chargelift_denied_total',
      help: 'Connections and messages refused, by rule.',
      labelNames: ['rule'],
      registers
    })
    this.#handshakes = new Counter({
      name: 'chargelift_handshakes_total',
      help: 'TLS handshakes, by how they ended.',
      labelNames: ['outcome'],
      registers
    })
    this.#rejectedEvicted = new Counter({
      name: 'chargelift_rejected_evicted_total',
      help: 'Rejected messages deleted because they were too many or too old, by quota.',
      labelNames: ['quota'],
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

  rejectedEvicted(quota: string, count: number): void {
    this.#rejectedEvicted.inc({ quota }, count)
  }

  denied(rule: string): void {
    this.#denied.inc({ rule })
  }

  handshake(outcome: HandshakeOutcome): void {
    this.#handshakes.inc({ outcome })
  }

  batchStored(seconds: number, rows: number): void {
    this.#commitSeconds.observe(seconds)
    this.#batchRows.observe(rows)
  }

  async text(): Promise<{ contentType: string; body: string }> {
    return { contentType: this.registry.contentType, body: await this.registry.metrics() }
  }

  /** received = committed + rejected + in flight + dropped. */
  #countMessages({ counters }: MetricsSources['ingest']): void {
    this.#counter('chargelift_messages_received_total', 'Telemetry messages that arrived.', () => counters.received)
    this.#counter('chargelift_messages_committed_total', 'Messages committed.', () => counters.committed)
    this.#counter(
      'chargelift_messages_dropped_total',
      'QoS 0 messages dropped over the memory budget.',
      () => counters.dropped
    )
    this.#gauge(
      'chargelift_messages_in_flight',
      'Messages admitted and neither committed nor rejected yet.',
      () => counters.inFlight
    )
    new Counter({
      name: 'chargelift_messages_rejected_total',
      help: 'Messages stored in rejected_messages, by reason.',
      labelNames: ['reason'],
      registers: [this.registry],
      collect() {
        this.reset()
        for (const [reason, count] of counters.rejected) this.inc({ reason }, count)
      }
    })
  }

  #watchState({ ingest, connections, offlineDropped, budget, tls }: MetricsSources): void {
    this.#counter(
      'chargelift_offline_messages_dropped_total',
      'Oldest messages dropped from the full queues of subscribers that were away.',
      offlineDropped
    )
    this.#gauge(
      'chargelift_budget_used_bytes',
      'Memory of unsettled messages and held connections.',
      () => budget.usedBytes
    )
    this.#counter(
      'chargelift_event_loop_active_seconds_total',
      'Time in which the main thread had work to do.',
      () => performance.eventLoopUtilization().active / 1000
    )
    this.#gauge('chargelift_connections', 'Open MQTT connections.', connections)
    this.#gauge('chargelift_database_up', '1 while batches are stored, 0 while they are kept and retried.', () =>
      ingest.trouble === undefined ? 1 : 0
    )
    this.#gauge('chargelift_certificate_expiry_seconds', "Seconds until the server's certificate ends.", () =>
      secondsUntil(tls.validToMs)
    )
    this.#gauge('chargelift_crl_expiry_seconds', 'Seconds until the revocation list must be renewed.', () =>
      secondsUntil(tls.revocation.nextUpdateMs)
    )
    new Gauge({
      name: 'chargelift_lane_backlog_messages',
      help: 'Messages admitted and not settled, by lane.',
      labelNames: ['lane'],
      registers: [this.registry],
      collect() {
        for (const [lane, { backlog }] of ingest.lanes.entries()) this.set({ lane }, backlog)
      }
    })
  }

  #counter(name: string, help: string, value: () => number): void {
    new Counter({
      name,
      help,
      registers: [this.registry],
      collect() {
        this.reset()
        this.inc(value())
      }
    })
  }

  #gauge(name: string, help: string, value: () => number): void {
    new Gauge({
      name,
      help,
      registers: [this.registry],
      collect() {
        this.set(value())
      }
    })
  }
}

const secondsUntil = (ms: number): number => Math.round((ms - Date.now()) / 1000)
