// Writes the view of `chargelift top` as lines of text. A terminal and `--once` get the same view. Pure.

import type { IngestFigures, Problem, Quantiles } from '../../model/api/api.ts'
import { age, count, duration, fit, harmless } from './figures.ts'

export interface ViewOptions {
  readonly width: number
  /** The most lines in all. Problems get the lines that the rest leaves free. */
  readonly height: number
}

/** The lines of the view, at most `height` lines of at most `width` characters. */
export function view(
  figures: IngestFigures,
  problems: readonly Problem[],
  { width, height }: ViewOptions
): readonly string[] {
  const top = [...header(figures, width), '', ...messages(figures), '', ...lanes(figures), '', chargers(figures)]
  const room = Math.max(0, height - top.length)
  return [...top, ...problemLines(problems, Date.parse(figures.time), room)]
    .slice(0, height)
    .map(line => fit(line.trimEnd(), width))
}

/** The figures as one line, for `top` without a terminal. */
export const summary = (figures: IngestFigures): string =>
  [
    figures.time,
    figures.database.up ? 'database up' : 'DATABASE DOWN',
    `received ${count(figures.receivedPerSecond)}/s`,
    `committed ${count(figures.committedPerSecond)}/s`,
    `rejected ${count(figures.rejectedPerSecond)}/s`,
    `in flight ${count(figures.inFlight)}`,
    `ack p99 ${figures.ackSeconds === null ? '-' : duration(figures.ackSeconds.p99)}`,
    `connections ${count(figures.connections)}`,
    ...problemCounts(figures)
  ].join('  ')

function header({ node, version, time, database, connections, certificateDays, memory }: IngestFigures, width: number) {
  const left = `chargelift ${version}  ${harmless(node)}`
  const right = `${time.slice(0, 19).replace('T', ' ')} UTC`
  const failed = database.failedJobs > 0 ? `, ${database.failedJobs} failed jobs` : ''
  const state = database.up ? `database up${failed}` : 'DATABASE DOWN'
  const certificate = certificateDays === null ? '' : `certificate ${certificateDays} days   `
  return [
    left + right.padStart(Math.max(2, width - left.length)),
    `${state}   connections ${count(connections)}   ${certificate}memory ${megabytes(memory.usedBytes)} of ${megabytes(memory.limitBytes)} MB`,
    ...(database.reason === null ? [] : [harmless(database.reason)])
  ]
}

const megabytes = (bytes: number): string => count(bytes / (1024 * 1024))

function messages(figures: IngestFigures): string[] {
  const row = (name: string, perSecond: string, all: string, note = ''): string =>
    `${name.padEnd(10)}${perSecond.padStart(12)}${all.padStart(16)}   ${note}`
  const reasons = Object.entries(figures.rejected).sort(([, a], [, b]) => b - a)
  const rejected = reasons.reduce((sum, [, of]) => sum + of, 0)
  return [
    row('messages', 'a second', 'since start'),
    row('received', count(figures.receivedPerSecond), count(figures.received), `in flight ${count(figures.inFlight)}`),
    row('committed', count(figures.committedPerSecond), count(figures.committed), `dropped ${count(figures.dropped)}`),
    row(
      'rejected',
      count(figures.rejectedPerSecond),
      count(rejected),
      reasons.map(([reason, of]) => `${harmless(reason)} ${count(of)}`).join(', ')
    ),
    row('rows', count(figures.rowsPerSecond), ''),
    `last minute: commit ${quantiles(figures.batchSeconds)}   ack ${quantiles(figures.ackSeconds)}`
  ]
}

const quantiles = (found: Quantiles | null): string =>
  found === null ? '-' : `p50 ${duration(found.p50)}, p99 ${duration(found.p99)}`

const lanes = ({ lanes }: IngestFigures): string[] => [
  `lane      ${lanes.map(({ lane, late }) => (late ? 'late' : String(lane)).padStart(9)).join('')}`,
  `waiting   ${lanes.map(({ backlog }) => count(backlog).padStart(9)).join('')}`
]

const chargers = (figures: IngestFigures): string =>
  `chargers ${count(figures.chargers)}   ${problemCounts(figures).join('  ') || 'no problems'}`

const problemCounts = ({ problems }: IngestFigures): string[] =>
  Object.entries(problems)
    .filter(([, of]) => of > 0)
    .map(([condition, of]) => `${condition} ${count(of)}`)

/** The newest problems come first, because people look for what has just begun. */
function problemLines(problems: readonly Problem[], nowMs: number, room: number): string[] {
  if (problems.length === 0 || room < 2) return []
  const sorted = problems.toSorted((a, b) => (a.since < b.since ? 1 : a.since > b.since ? -1 : 0))
  const isCut = sorted.length > room - 1
  const shown = sorted.slice(0, isCut ? Math.max(0, room - 2) : sorted.length)
  return [
    row('CHARGER', 'CONDITION', 'FOR', 'CAUSE'),
    ...shown.map(({ charger, condition, cause, since }) =>
      row(harmless(charger), condition, age(nowMs - Date.parse(since)), harmless(cause))
    ),
    ...(isCut ? [`... and ${count(sorted.length - shown.length)} more: GET /api/v1/problems`] : [])
  ]
}

const row = (charger: string, condition: string, since: string, cause: string): string =>
  `${fit(charger, 20).padEnd(20)} ${condition.padEnd(11)} ${since.padStart(7)}  ${cause}`
