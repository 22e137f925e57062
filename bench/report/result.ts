// The results of a bench run: the shape of the JSON file, and the name, unit and direction of each figure.

import type { Budget } from '../budgets/budget.ts'
import type { HistogramCounts } from '../load/histogram.ts'
import type { Machine } from '../rig/machine.ts'
import type { Bucket } from '../rig/metrics.ts'
import { type BaselineName, baselineNames } from '../settings.ts'

/** For each figure: its name for people, its unit, and whether more or less is better. */
export const figureKinds = {
  messagesPerSecond: kind('messages committed', '/s', 'more'),
  rowsPerSecond: kind('rows committed', '/s', 'more'),
  ackP50Ms: kind('acknowledged after, p50', 'ms', 'less'),
  ackP90Ms: kind('acknowledged after, p90', 'ms', 'less'),
  ackP99Ms: kind('acknowledged after, p99', 'ms', 'less'),
  ackMaxMs: kind('acknowledged after, max', 'ms', 'less'),
  serverUs: kind('CPU per message: server', 'us', 'less'),
  databaseUs: kind('CPU per message: database', 'us', 'less'),
  storingUs: kind('CPU per message: storing it', 'us', 'less'),
  generatorUs: kind('CPU per message: generator', 'us', 'less'),
  eventLoopPercent: kind("server's event loop busy", '%', undefined),
  batchRows: kind('rows per batch, mean', '', undefined),
  serverRssMb: kind('server RSS', 'MB', 'less'),
  serverRssMaxMb: kind('server RSS, most', 'MB', 'less'),
  serverRssMbPerHour: kind('server RSS, growth', 'MB/h', 'less'),
  generatorRssMb: kind('generator RSS', 'MB', undefined),
  lossCount: kind('connections lost', '', 'less'),
  fullPerSecond: kind('connects, full handshake', '/s', 'more'),
  resumedPerSecond: kind('connects, resumed', '/s', 'more'),
  fullServerMs: kind('server CPU per full connect', 'ms', 'less'),
  resumedServerMs: kind('server CPU per resumed connect', 'ms', 'less'),
  fullP99Ms: kind('connected after, full, p99', 'ms', 'less'),
  resumedP99Ms: kind('connected after, resumed, p99', 'ms', 'less'),
  retryCount: kind('connects refused and tried again', '', 'less'),
  kbPerConnection: kind('server memory per connection', 'KB', 'less'),
  idleServerPercent: kind('server CPU while all are idle', '% of a core', 'less'),
  backlogMessages: kind('waiting when the database came back', 'messages', undefined),
  recoverySeconds: kind('all of it acknowledged after', 's', 'less'),
  subscribersUs: kind('server CPU per message and subscriber', 'us', 'less'),
  newsPerSecond: kind('delivered to each subscriber', '/s', 'more'),
  newsP50Ms: kind('seen by subscribers after, p50', 'ms', 'less'),
  newsP99Ms: kind('seen by subscribers after, p99', 'ms', 'less'),
  edgePercent: kind('edge CPU', '% of a core', 'less'),
  edgeRssMb: kind('edge RSS', 'MB', 'less'),
  edgeRssMaxMb: kind('edge RSS, most', 'MB', 'less'),
  writtenKbPerPoll: kind('written to disk per poll', 'KB', 'less'),
  writtenMbPerDay: kind('written to disk per day at a 10 s poll', 'MB', 'less'),
  loadRowsPerSecond: kind('rows loaded', '/s', undefined),
  latestP50Ms: kind('latest state of the fleet, p50', 'ms', 'less'),
  latestMaxMs: kind('latest state of the fleet, max', 'ms', 'less'),
  newestRowP50Ms: kind('newest row of each charger, p50', 'ms', 'less'),
  newestRowMaxMs: kind('newest row of each charger, max', 'ms', 'less'),
  dayP50Ms: kind("a charger's day, p50", 'ms', 'less'),
  dayMaxMs: kind("a charger's day, max", 'ms', 'less'),
  deriveRowsPerSecond: kind('rows derived into quarter hours', '/s', 'more'),
  sessionsP50Ms: kind("a month's sessions of the fleet, p50", 'ms', 'less'),
  sessionsMaxMs: kind("a month's sessions of the fleet, max", 'ms', 'less'),
  energyDayP50Ms: kind("energy of a charger's day, p50", 'ms', 'less'),
  energyDayMaxMs: kind("energy of a charger's day, max", 'ms', 'less'),
  energyMonthP50Ms: kind("energy of the fleet's month by day, p50", 'ms', 'less'),
  othersPercent: kind('the machine busy with others', '% of all cores', undefined)
} as const

export type FigureName = keyof typeof figureKinds
export type Figures = Partial<Record<FigureName, number>>

export interface FigureKind {
  readonly label: string
  readonly unit: string
  readonly better: 'more' | 'less' | undefined
}

function kind(label: string, unit: string, better: FigureKind['better']): FigureKind {
  return { label, unit, better }
}

/** CPU in us per message, by the part that used it. */
export type CpuSplit = Readonly<Record<string, number>>

const cpuLabels: Record<string, string> = {
  main: 'server, main thread',
  workers: 'server, workers',
  helpers: 'server, GC and other threads',
  database: 'database',
  generator: 'generator',
  mosquitto: 'Mosquitto',
  subscriber: 'subscriber',
  telegraf: 'Telegraf',
  loader: 'loader'
}
export const cpuLabel = (part: string): string => cpuLabels[part] ?? part

/** The figures of one second of the measured time. */
export interface Moment {
  readonly second: number
  readonly messagesPerSecond: number
  readonly p50Ms: number | null
  readonly p99Ms: number | null
  readonly rssMb: number | null
}

/** One measurement of one target. A run that failed its verification has no Run. */
export interface Run {
  readonly target: string
  readonly repeat: number
  readonly verified: string
  readonly figures: Figures
  readonly cpuUs: CpuSplit
  readonly moments: readonly Moment[]
  /** The latency of acknowledgements, in the buckets of `load/histogram.ts`. */
  readonly latency: HistogramCounts
  readonly batchRows: readonly Bucket[]
}

export interface Failure {
  readonly target: string
  readonly repeat: number
  readonly findings: readonly string[]
}

export const reportFormat = 'chargelift bench 1'

export interface Report {
  readonly format: typeof reportFormat
  readonly scenario: string
  readonly startedAt: string
  readonly settings: Readonly<Record<string, unknown>>
  readonly machine: Machine
  readonly versions: Readonly<Record<string, string>>
  /** The medians over the repeats, by target. The product comes first. */
  readonly results: Readonly<Record<string, Figures>>
  readonly ratios: readonly Ratio[]
  /** Only the scenario `budgets` fills this field. */
  readonly budgets?: readonly Budget[]
  readonly skipped: readonly string[]
  readonly failures: readonly Failure[]
  readonly runs: readonly Run[]
}

/** Compares the product with a baseline. */
export interface Ratio {
  readonly baseline: string
  /** The product's messages per second, divided by the baseline's. */
  readonly speed: number | null
  /** The product's CPU per stored message, divided by the baseline's. */
  readonly cpu: number | null
}

/** The medians by target, in the order in which the targets were first measured. */
export function medians(runs: readonly Run[]): Record<string, Figures> {
  const targets = [...new Set(runs.map(({ target }) => target))]
  return Object.fromEntries(targets.map(target => [target, mediansOf(runs.filter(run => run.target === target))]))
}

function mediansOf(runs: readonly Run[]): Figures {
  const names = [...new Set(runs.flatMap(({ figures }) => Object.keys(figures) as FigureName[]))]
  return Object.fromEntries(
    names.map(name => [name, median(runs.flatMap(({ figures }) => figures[name] ?? []))])
  ) as Figures
}

export function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b)
  const half = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2
}

export function ratiosOf(results: Readonly<Record<string, Figures>>, product: string): Ratio[] {
  const ours = results[product]
  if (ours === undefined) return []
  const share = (a: number | undefined, b: number | undefined): number | null => (a && b ? a / b : null)
  return Object.entries(results)
    .filter(([target]) => target !== product && baselineNames.includes(target as BaselineName))
    .map(([baseline, theirs]) => ({
      baseline,
      speed: share(ours.messagesPerSecond, theirs.messagesPerSecond),
      cpu: share(ours.storingUs, theirs.storingUs)
    }))
}
