// Prepares the data of a charger's chart: the resolution for each span, and the API's rows as columns for uPlot. Pure.

import type { ReadingsAnswer, ReadingsResolution } from '../../model/api/api.ts'
import type { OperationState } from '../../model/wire/chargerState.ts'
import { stateOf } from '../states.ts'

export const kinds = ['power', 'current', 'energy'] as const
export type ChartKind = (typeof kinds)[number]

const hourMs = 3_600_000
const dayMs = 24 * hourMs

export interface SpanChoice {
  readonly word: string
  readonly ms: number
}
export const spans: readonly SpanChoice[] = [
  { word: '1 h', ms: hourMs },
  { word: '6 h', ms: 6 * hourMs },
  { word: '24 h', ms: dayMs },
  { word: '7 d', ms: 7 * dayMs },
  { word: '30 d', ms: 30 * dayMs }
]

/**
 * Chooses a resolution with about 1,500 points at most. An energy chart gets fewer points, because bars need more room.
 */
export function resolutionFor(spanMs: number, kind: ChartKind): ReadingsResolution {
  if (kind === 'energy') {
    if (spanMs <= 2 * hourMs) return '1m'
    if (spanMs <= 2 * dayMs) return '15m'
    return spanMs <= 8 * dayMs ? '1h' : '1d'
  }
  if (spanMs <= 2 * hourMs) return 'raw'
  if (spanMs <= 26 * hourMs) return '1m'
  return spanMs <= 8 * dayMs ? '15m' : '1h'
}

export const bucketMs: Readonly<Record<ReadingsResolution, number>> = {
  raw: 0,
  '1m': 60_000,
  '15m': 15 * 60_000,
  '1h': hourMs,
  '1d': dayMs
}

export interface ChartData {
  /** Seconds since the Unix epoch. */
  readonly times: readonly number[]
  /** kW, A or kWh. */
  readonly values: readonly (number | null)[]
  /** The highest kW within a bucket, or the limit in A. Empty when the chart has no bound. */
  readonly bounds: readonly (number | null)[]
  readonly states: readonly (OperationState | null)[]
}

type Readings = Pick<ReadingsAnswer, 'columns' | 'rows'>

const valueColumns = {
  power: { raw: 'PowerOutput', bucket: 'powerMeanW' },
  current: { raw: 'OutputCurrent', bucket: 'currentMeanA' },
  energy: { raw: 'SessionEnergy', bucket: 'energyWh' }
} as const
const boundColumns = {
  power: { raw: undefined, bucket: 'powerMaxW' },
  current: { raw: 'MaximumOutputCurrent', bucket: 'limitA' },
  energy: { raw: undefined, bucket: undefined }
} as const

export function chartData({ columns, rows }: Readings, kind: ChartKind): ChartData {
  const isRaw = columns.includes('OperationState')
  const form = isRaw ? 'raw' : 'bucket'
  const scale = kind === 'current' ? 1 : 1 / 1000
  const column = (name: string | undefined): readonly (string | number | null)[] => {
    const index = name === undefined ? -1 : columns.indexOf(name as (typeof columns)[number])
    return index === -1 ? [] : rows.map(row => row[index] ?? null)
  }
  const numbers = (name: string | undefined): (number | null)[] =>
    column(name).map(value => (typeof value === 'number' ? value * scale : null))
  return {
    times: column('time').map(time => Date.parse(String(time)) / 1000),
    values: numbers(valueColumns[kind][form]),
    bounds: numbers(boundColumns[kind][form]),
    states: column(isRaw ? 'OperationState' : 'state').map(state => (state === null ? null : stateOf(state)))
  }
}

/** Appends the rows that were loaded from the last known row on. Rows before `fromMs` are removed. */
export function continued(before: ReadingsAnswer, tail: ReadingsAnswer, fromMs: number): ReadingsAnswer {
  const time = before.columns.indexOf('time')
  const start = String(tail.rows[0]?.[time] ?? '')
  const from = new Date(fromMs).toISOString()
  const kept = before.rows.filter(row => String(row[time]) >= from && (start === '' || String(row[time]) < start))
  return { ...tail, from: before.from, rows: [...kept, ...tail.rows] }
}

export interface StateSpan {
  readonly state: OperationState
  /** Seconds since the Unix epoch, like `to`. */
  readonly from: number
  readonly to: number
}

/** Joins neighbours of the same state; the last state lasts until `end`. */
export function stateSpans({ times, states }: Pick<ChartData, 'times' | 'states'>, end: number): StateSpan[] {
  const found: StateSpan[] = []
  for (const [i, state] of states.entries()) {
    const to = times[i + 1] ?? end
    const last = found.at(-1)
    if (state === null || to <= times[i]!) continue
    if (last !== undefined && last.state === state && last.to === times[i]) found[found.length - 1] = { ...last, to }
    else found.push({ state, from: times[i]!, to })
  }
  return found
}
