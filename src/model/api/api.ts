// The answers of the HTTP API, as types: for the routes, the dashboard page and the commands that ask. Types only.
// Times are RFC 3339 in UTC with milliseconds, energy is in Wh, power in W, current in A per phase. Unknown is null.
// `vehicle` and the value ConnectedVehicle are card ids: "***" for the role viewer, which may not see them, "" for
// none.

import type { ValueName } from '../wire/chargerState.ts'
import type { SentEdgeStatus } from '../wire/edgeStatus.ts'
import type { Condition } from './problem.ts'

/** Every answer with a status of 400 or above; `faults` names what to change. */
export interface ApiError {
  readonly error: string
  readonly code?: string
  readonly faults?: readonly ParameterFault[]
}
export interface ParameterFault {
  readonly parameter: string
  readonly expected: string
  readonly found: string
}

/** Pass it as `after` to get what follows; absent at the end. */
export interface Page {
  readonly next?: string
}

export type ConnectionState = 'online' | 'offline'
export interface TimedValue {
  readonly time: string
  readonly value: number | string
}

/** GET /api/v1/chargers?limit&after&state&connection&site&q, by name. */
export interface ChargersAnswer extends Page {
  readonly chargers: readonly ChargerSummary[]
}
export interface ChargerSummary {
  readonly name: string
  /** Name of the site. */
  readonly site: string | null
  readonly label: string | null
  readonly serial: string | null
  /** Null for a charger whose edge never connected. */
  readonly connection: ConnectionState | null
  readonly connectionSince: string | null
  /** The newest SamplingTime of its values. */
  readonly lastSampleTime: string | null
  /** The newest committed value of each name. */
  readonly values: Readonly<Partial<Record<ValueName, TimedValue>>>
  /** Since midnight in the site's time zone. */
  readonly energyTodayWh: number | null
  readonly problems: readonly ProblemCondition[]
}

/** GET /api/v1/chargers/{name} */
export interface ChargerAnswer extends ChargerSummary {
  /** IANA name; of the site, else UTC. */
  readonly timeZone: string
  readonly tariff: string | null
  /** The payload of EdgeStatus as the edge sent it, with SamplingTime. */
  readonly edgeStatus: SentEdgeStatus | null
}

/** GET /api/v1/chargers/{name}/messages?limit: newest first, one per SamplingTime, what changed then. */
export interface MessagesAnswer {
  readonly charger: string
  readonly messages: readonly StoredMessage[]
}
export interface StoredMessage {
  readonly time: string
  readonly values: Readonly<Partial<Record<ValueName, number | string>>>
}

export type ReadingsResolution = 'raw' | '1m' | '15m' | '1h' | '1d'
/**
 * GET /api/v1/chargers/{name}/readings?from&to&resolution&after: by time, `from` included, `to` not. Days are those of
 * the charger's time zone. Rows carry forward: unchanged values are repeated.
 */
export interface ReadingsAnswer extends Page {
  readonly charger: string
  readonly from: string
  readonly to: string
  readonly resolution: ReadingsResolution
  readonly timeZone: string
  /** `rawColumns` or `bucketColumns` of history/query/readings.ts; each row has as many fields. */
  readonly columns: readonly (RawColumn | BucketColumn)[]
  readonly rows: readonly (readonly (string | number | null)[])[]
}
export type RawColumn = 'time' | ValueName
/**
 * `time` is the bucket's start. Means are weighted by time; `state`, `limitA` and `vehicle` are those in force at its
 * end; `energyWh` is what the lifetime counter gained within it.
 */
export type BucketColumn =
  | 'time'
  | 'powerMeanW'
  | 'powerMaxW'
  | 'energyWh'
  | 'currentMeanA'
  | 'limitA'
  | 'state'
  | 'vehicle'

/**
 * GET /api/v1/sessions?from&to&charger&site&limit&after: those that ended within, and where that reaches the present
 * those that are open: these first, then the newest end first.
 */
export interface SessionsAnswer extends Page {
  readonly sessions: readonly ChargingSession[]
}
export interface ChargingSession {
  readonly charger: string
  readonly startedAt: string
  /** Null while open. */
  readonly endedAt: string | null
  readonly energyWh: number
  readonly peakPowerW: number | null
  readonly vehicle: string
  readonly interruptions: number
  readonly meterStartWh: number | null
  readonly meterEndWh: number | null
  readonly estimated: boolean
  /** Rounded; null without a tariff. */
  readonly costAmount: number | null
  readonly currency: string | null
}

export type EnergyResolution = '15m' | '1h' | '1d' | '1mo'
/**
 * GET /api/v1/energy?from&to&resolution&charger&site&limit&after: by charger, then time. Days and months are the
 * site's; `from` and `to` are as asked for: a moment, or a day. A bucket in which a charger said nothing has no row.
 */
export interface EnergyAnswer extends Page {
  readonly from: string
  readonly to: string
  readonly resolution: EnergyResolution
  readonly energy: readonly EnergyRow[]
}
export interface EnergyRow {
  readonly charger: string
  /** Start of the bucket. */
  readonly time: string
  readonly energyWh: number
  readonly powerMeanW: number | null
  readonly powerMaxW: number | null
}

/** GET /api/v1/sites */
export interface SitesAnswer {
  readonly sites: readonly Site[]
}
export interface Site {
  readonly name: string
  readonly timeZone: string
  readonly chargers: number
}

export type ProblemCondition = Condition

/** GET /api/v1/problems?condition&charger, by charger. */
export interface ProblemsAnswer {
  readonly problems: readonly Problem[]
}
export interface Problem {
  readonly charger: string
  readonly condition: ProblemCondition
  /** A sentence for the owner of the site: what is wrong, and what to do about it, if anything. */
  readonly cause: string
  readonly since: string
}

/** GET /api/v1/ingest, and `event: ingest` once a second. Rates are of the last seconds; times are in seconds. */
export interface IngestFigures {
  readonly time: string
  /** The server that answers: its --node-id, and its version. */
  readonly node: string
  readonly version: string
  readonly receivedPerSecond: number
  readonly committedPerSecond: number
  readonly rejectedPerSecond: number
  readonly rowsPerSecond: number
  /** Since the start: received = committed + rejected + inFlight + dropped. */
  readonly received: number
  readonly committed: number
  readonly dropped: number
  readonly inFlight: number
  /** By reason; only reasons that there were. */
  readonly rejected: Readonly<Record<string, number>>
  /** From a batch's hand-over to its commit, of the last minute; null when there was none. */
  readonly batchSeconds: Quantiles | null
  /** From reading a message to its acknowledgement, of the last minute; null when there was none. */
  readonly ackSeconds: Quantiles | null
  readonly lanes: readonly { readonly lane: number; readonly backlog: number; readonly late: boolean }[]
  readonly database: { readonly up: boolean; readonly reason: string | null; readonly failedJobs: number }
  readonly connections: number
  readonly memory: { readonly usedBytes: number; readonly limitBytes: number }
  /** Until the server's own certificate ends. */
  readonly certificateDays: number | null
  /** Chargers that ever sent a value, and per condition for how many of them it holds. */
  readonly chargers: number
  readonly problems: Readonly<Record<ProblemCondition, number>>
}
export interface Quantiles {
  readonly p50: number
  readonly p99: number
}

/**
 * GET /api/v1/events?charger: server-sent events. Each has an id; a reconnect with Last-Event-ID goes on behind it,
 * and gets `reset` when that is too long ago: then load anew. Data is JSON:
 * - `event: reading`: LiveReading[], the newest of each (charger, name) since the last one
 * - `event: connection`: LiveConnection[]
 * - `event: status`: LiveStatus[]
 * - `event: ingest`: IngestFigures, once a second
 * - `event: reset`: {}
 */
export interface LiveReading {
  readonly charger: string
  readonly name: ValueName
  readonly time: string
  readonly value: number | string
}
export interface LiveConnection {
  readonly charger: string
  readonly state: ConnectionState
  readonly since: string
}
export interface LiveStatus {
  readonly charger: string
  readonly status: SentEdgeStatus
}
