// The metrics of a server for Prometheus. Made last: it reads the parts at scrape time, and the data path only counts.

import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import type { Maintenance } from '../../history/derive/maintenance.ts'
import type { Ingest } from '../../ingest/ingest.ts'
import { denyCodes, rejectCodes } from '../../model/errors.ts'
import type { Budget } from '../../model/server/budget.ts'
import type { Audit } from '../access/audit.ts'
import type { DatabaseWatch } from '../store/databaseWatch.ts'
import type { Credentials } from '../trust/credentials.ts'
import type { Problems } from './problems/problems.ts'
import type { Recorder } from './recorder.ts'

export interface ExpositionSources {
  readonly recorder: Pick<Recorder, 'metrics'>
  readonly ingest: Pick<Ingest, 'counters' | 'lanes' | 'trouble'>
  readonly connections: () => number
  readonly offlineDropped: () => number
  readonly budget: Pick<Budget, 'usedBytes' | 'limitBytes'>
  readonly audit: Pick<Audit, 'handshakes' | 'denied' | 'evicted' | 'waiting'>
  readonly handshakesWaiting: () => number
  readonly credentials: Pick<Credentials, 'current' | 'fault' | 'crlExpired'>
  readonly database: Pick<DatabaseWatch, 'isUp' | 'failedJobs'>
  readonly problems: Pick<Problems, 'counts' | 'chargers'>
  readonly webhookPosts: ReadonlyMap<string, number>
  readonly maintenance: Pick<Maintenance, 'last' | 'succeededAtMs'>
}

export class Exposition {
  readonly #registry = new Registry()

  constructor(sources: ExpositionSources) {
    collectDefaultMetrics({ register: this.#registry })
    // These gauges have names of counters.
    for (const name of misnamed) this.#registry.removeSingleMetric(name)
    this.#countMessages(sources.ingest)
    this.#watchState(sources)
    this.#watchDatabase(sources)
    this.#watchChargers(sources)
    this.#countSecurity(sources.audit)
    for (const metric of sources.recorder.metrics) this.#registry.registerMetric(metric)
  }

  get contentType(): string {
    return this.#registry.contentType
  }

  /** For the process that speaks for all processes. */
  json(): Promise<object[]> {
    return this.#registry.getMetricsAsJSON()
  }

  async text(): Promise<{ contentType: string; body: string }> {
    return { contentType: this.#registry.contentType, body: await this.#registry.metrics() }
  }

  /** received = committed + rejected + in flight + dropped. */
  #countMessages({ counters }: ExpositionSources['ingest']): void {
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
      counters.rejected,
      rejectCodes
    )
  }

  #watchState({ connections, offlineDropped, budget, handshakesWaiting, credentials }: ExpositionSources): void {
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
    this.#gauge('chargelift_budget_limit_bytes', 'What --memory-budget-mb allows it.', () => budget.limitBytes)
    this.#counter(
      'chargelift_event_loop_active_seconds_total',
      'Time in which the main thread had work to do.',
      () => performance.eventLoopUtilization().active / 1000
    )
    this.#gauge(
      'chargelift_processes',
      'Processes of this server: what the main threads do is of all of them.',
      () => 1
    )
    this.#gauge('chargelift_connections', 'Open MQTT connections.', connections)
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
  }

  #watchDatabase({ ingest, database, maintenance }: ExpositionSources): void {
    this.#gauge(
      'chargelift_database_up',
      '1 while the database answers and batches are stored, 0 while it does not or they are kept and retried.',
      () => Number(database.isUp && ingest.trouble === undefined)
    )
    this.#gauge(
      'chargelift_database_failed_jobs',
      "TimescaleDB's background jobs whose last run failed; 0 without TimescaleDB.",
      () => database.failedJobs
    )
    this.#gauge(
      'chargelift_maintenance_last_success_timestamp_seconds',
      'When this server last brought the history up to date; 0 for never, as when another server does it.',
      () => Math.round((maintenance.succeededAtMs ?? 0) / 1000)
    )
    this.#gauge('chargelift_maintenance_failed', '1 when the newest run of this server failed.', () =>
      Number(maintenance.last?.failure !== undefined)
    )
    this.#gauge(
      'chargelift_maintenance_failing_chargers',
      'Chargers whose history this server cannot derive for their data; that of all others is.',
      () => maintenance.last?.failing.length ?? 0
    )
    this.#gaugeBy('chargelift_lane_backlog_messages', 'Messages admitted and not settled, by lane.', 'lane', () =>
      ingest.lanes.map(({ backlog }, lane) => [laneName(lane, ingest.lanes.length), backlog] as const)
    )
  }

  #watchChargers({ problems, webhookPosts }: ExpositionSources): void {
    this.#gauge('chargelift_chargers_known', 'Chargers that ever told anything.', () => problems.chargers)
    this.#gaugeBy(
      'chargelift_chargers',
      'Chargers that something is wrong with, by condition; a charger may have several.',
      'condition',
      () => problems.counts
    )
    this.#counterBy(
      'chargelift_webhook_posts_total',
      'Attempts to tell the webhook, by how they ended.',
      'outcome',
      webhookPosts
    )
  }

  #countSecurity(audit: ExpositionSources['audit']): void {
    this.#counterBy('chargelift_handshakes_total', 'TLS handshakes, by how they ended.', 'outcome', audit.handshakes)
    this.#counterBy(
      'chargelift_denied_total',
      'Connections, messages and requests refused, by rule.',
      'rule',
      audit.denied,
      denyCodes
    )
    this.#counterBy(
      'chargelift_audit_events_evicted_total',
      'Rows of audit_events deleted because they were too many or too old, by quota.',
      'quota',
      audit.evicted
    )
    this.#gauge('chargelift_audit_events_waiting', 'Rows that wait to be written to audit_events.', () => audit.waiting)
  }

  /**
   * The `known` labels are there at 0 from the start: an alert sees no increase in a label that appears with its first
   * count.
   */
  #counterBy(
    name: string,
    help: string,
    label: string,
    counts: ReadonlyMap<string, number>,
    known: readonly string[] = []
  ): void {
    new Counter({
      name,
      help,
      labelNames: [label],
      registers: [this.#registry],
      collect() {
        this.reset()
        for (const value of known) this.inc({ [label]: value }, 0)
        for (const [value, count] of counts) this.inc({ [label]: value }, count)
      }
    })
  }

  #counter(name: string, help: string, value: () => number): void {
    new Counter({
      name,
      help,
      registers: [this.#registry],
      collect() {
        this.reset()
        this.inc(value())
      }
    })
  }

  #gaugeBy(name: string, help: string, label: string, values: () => Iterable<readonly [string, number]>): void {
    new Gauge({
      name,
      help,
      labelNames: [label],
      registers: [this.#registry],
      collect() {
        for (const [value, count] of values()) this.set({ [label]: value }, count)
      }
    })
  }

  #gauge(name: string, help: string, value: () => number): void {
    new Gauge({
      name,
      help,
      registers: [this.#registry],
      collect() {
        this.set(value())
      }
    })
  }
}

/** The late lane is the last one. */
const laneName = (lane: number, lanes: number): string => (lane === lanes - 1 ? 'late' : String(lane))

const misnamed = ['nodejs_active_handles_total', 'nodejs_active_requests_total', 'nodejs_active_resources_total']

const secondsUntil = (ms: number): number => Math.round((ms - Date.now()) / 1000)
