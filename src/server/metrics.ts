// The numbers of a server for Prometheus, read from the parts at scrape time: the data path itself only counts.

import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import type { Ingest } from '../ingest/ingest.ts'
import type { Budget } from '../model/budget.ts'
import type { Audit } from './audit.ts'
import type { Credentials } from './credentials.ts'

export interface MetricsSources {
  readonly ingest: Pick<Ingest, 'counters' | 'lanes' | 'trouble'>
  readonly connections: () => number
  readonly offlineDropped: () => number
  readonly budget: Pick<Budget, 'usedBytes'>
  readonly audit: Pick<Audit, 'handshakes' | 'denied' | 'evicted' | 'waiting'>
  readonly handshakesWaiting: () => number
  readonly credentials: Pick<Credentials, 'current' | 'fault' | 'crlExpired'>
}

export class Metrics {
  readonly registry = new Registry()
  readonly #rejectedEvicted: Counter
  readonly #commitSeconds: Histogram
  readonly #batchRows: Histogram

  constructor(sources: MetricsSources) {
    const registers = [this.registry]
    collectDefaultMetrics({ register: this.registry })
    this.#countMessages(sources.ingest)
    this.#watchState(sources)
    this.#countSecurity(sources.audit)
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
    this.#counterBy(
      'chargelift_messages_rejected_total',
      'Messages stored in rejected_messages, by reason.',
      'reason',
      counters.rejected
    )
  }

  #watchState({ ingest, connections, offlineDropped, budget, handshakesWaiting, credentials }: MetricsSources): void {
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
      secondsUntil(credentials.current.validToMs)
    )
    this.#gauge('chargelift_crl_expiry_seconds', 'Seconds until the revocation list must be renewed.', () =>
      secondsUntil(credentials.current.trust.revocation.nextUpdateMs)
    )
    this.#gauge('chargelift_crl_expired', '1 when a revocation list has ended: renew it.', () =>
      Number(credentials.crlExpired)
    )
    this.#gauge(
      'chargelift_reload_failed',
      '1 while changed certificate files are refused, and the former are in force.',
      () => Number(credentials.fault !== undefined)
    )
    this.#gauge('chargelift_handshakes_waiting', 'Connections that wait for their TLS handshake.', handshakesWaiting)
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

  #countSecurity(audit: MetricsSources['audit']): void {
    this.#counterBy('chargelift_handshakes_total', 'TLS handshakes, by how they ended.', 'outcome', audit.handshakes)
    this.#counterBy(
      'chargelift_denied_total',
      'Connections, messages and requests refused, by rule.',
      'rule',
      audit.denied
    )
    this.#counterBy(
      'chargelift_audit_events_evicted_total',
      'Rows of audit_events deleted because they were too many or too old, by quota.',
      'quota',
      audit.evicted
    )
    this.#gauge('chargelift_audit_events_waiting', 'Rows that wait to be written to audit_events.', () => audit.waiting)
  }

  #counterBy(name: string, help: string, label: string, counts: ReadonlyMap<string, number>): void {
    new Counter({
      name,
      help,
      labelNames: [label],
      registers: [this.registry],
      collect() {
        this.reset()
        for (const [value, count] of counts) this.inc({ [label]: value }, count)
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
