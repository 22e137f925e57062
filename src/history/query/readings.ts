// The readings of one charger over time. What is stored is what changed: so a value holds until the next one, at most
// for a day, and means weigh each value by how long it held. The database adds up within the buckets, what is carried
// from one to the next is put together here.

import { type ValueName, valueNames, valueSpecs } from '../../model/wire/chargerState.ts'
import type { Value } from '../../model/wire/envelope.ts'
import { formatTime } from '../../model/wire/envelope.ts'
import type { Queryable } from '../queryable.ts'
import { Zone } from '../zone.ts'
import { type BucketSums, type Held, lastBefore, sumBuckets } from './bucketSums.ts'
import { carriedMsMax } from './limits.ts'
import { microsecondsOf, valueColumns } from './rawRows.ts'

export type BucketResolution = '1m' | '15m' | '1h' | '1d'
export type Row = readonly (string | number | null)[]

export interface ReadingsRange {
  readonly chargerId: number
  readonly fromUs: number
  /** Exclusive. */
  readonly toUs: number
}

/** Of a row of `rawReadings`. */
export const rawColumns: readonly ('time' | ValueName)[] = ['time', ...valueNames]

export interface RawReadings {
  readonly rows: Row[]
  /** Time of the last one. */
  readonly lastUs: number | undefined
  /** What holds after it: for who goes on from there. */
  readonly held: Map<string, Held>
}

/**
 * The stored rows, each with what held then of what did not change; `afterUs` is the last time that is known already,
 * and `known` what held then.
 */
export async function rawReadings(
  db: Queryable,
  { chargerId, fromUs, toUs }: ReadingsRange,
  limit: number,
  afterUs?: number,
  known?: Map<string, Held>
): Promise<RawReadings> {
  const startUs = afterUs === undefined ? fromUs : Math.max(fromUs, afterUs + 1)
  const held = known ?? (await lastBefore(db, chargerId, startUs))
  const { rows } = await db.query<[timeUs: string, ...(Value | null)[]]>({
    rowMode: 'array',
    text: `SELECT ${microsecondsOf('time')}, ${valueColumns} FROM ev_readings
           WHERE charger_id = $1 AND time >= $2::timestamptz AND time < $3::timestamptz ORDER BY time LIMIT $4`,
    values: [chargerId, formatTime(startUs), formatTime(toUs), limit]
  })
  return {
    rows: rows.map(([timeText, ...fields]) => {
      const timeUs = Number(timeText)
      const values = valueSpecs.map(({ column }, at) => {
        const told = fields[at] ?? null
        if (told !== null) held.set(column, { value: told, us: timeUs })
        return told ?? valueAt(held.get(column), timeUs)
      })
      return [formatTime(timeUs), ...values]
    }),
    lastUs: rows.length > 0 ? Number(rows.at(-1)![0]) : undefined,
    held
  }
}

/** Of a row of `bucketReadings`. */
export const bucketColumns = [
  'time',
  'powerMeanW',
  'powerMaxW',
  'energyWh',
  'currentMeanA',
  'limitA',
  'state',
  'vehicle'
] as const

const fixedMs = { '1m': 60_000, '15m': 900_000, '1h': 3_600_000 } as const

/**
 * Where the buckets begin and the last one ends, in ms: those that [fromUs, toUs) touches, at most `limit`. Days are
 * the zone's; hours and shorter are those of UTC.
 */
export function bucketBounds(
  { fromUs, toUs }: Pick<ReadingsRange, 'fromUs' | 'toUs'>,
  resolution: BucketResolution,
  zone: Zone,
  limit: number
): number[] {
  const toMs = toUs / 1000
  const bounds: number[] = []
  if (resolution === '1d') {
    let day = zone.dayOf(Math.floor(fromUs / 1000))
    for (; bounds.length <= limit; day = Zone.nextDay(day)) {
      bounds.push(zone.startOfDay(day))
      if (bounds.at(-1)! >= toMs) break
    }
    return bounds
  }
  const width = fixedMs[resolution]
  for (let ms = Math.floor(fromUs / 1000 / width) * width; bounds.length <= limit; ms += width) {
    bounds.push(ms)
    if (ms >= toMs) break
  }
  return bounds
}

/** A row per bucket of `bounds`, as `bucketColumns`; what did not happen yet at `nowMs` counts for nothing. */
export async function bucketReadings(
  db: Queryable,
  chargerId: number,
  bounds: readonly number[],
  nowMs: number
): Promise<Row[]> {
  const [firstMs, lastMs] = [bounds[0]!, bounds.at(-1)!]
  const held = await lastBefore(db, chargerId, firstMs * 1000)
  const sums = await sumBuckets(db, chargerId, bounds)
  const rows: Row[] = []
  for (const [at, startMs] of bounds.slice(0, -1).entries()) {
    const endMs = Math.min(bounds[at + 1]!, lastMs, nowMs)
    if (endMs <= startMs) break
    rows.push(bucketRow(startMs, endMs, sums.get(at), held))
  }
  return rows
}

type HeldValues = Map<string, Held>

function bucketRow(startMs: number, endMs: number, sums: BucketSums | undefined, held: HeldValues): Row {
  const [startUs, endUs] = [startMs * 1000, endMs * 1000]
  const powerBefore = valueAt(held.get('power_output'), startUs) as number | null
  const power = meanOf(held.get('power_output'), sums?.power, startUs, endUs)
  const current = meanOf(held.get('output_current'), sums?.current, startUs, endUs)
  const holdsAtStart = powerBefore !== null && (sums?.power === undefined || sums.power.firstUs > startUs)
  const most = Math.max(
    sums?.powerMaxW ?? Number.NEGATIVE_INFINITY,
    holdsAtStart ? powerBefore : Number.NEGATIVE_INFINITY
  )
  const before = held.get('total_energy_consumption')?.value as number | undefined
  const energyWh = sums?.energy ? rise(before, sums.energy) : before === undefined ? null : 0
  for (const [column, last] of sums?.last ?? []) held.set(column, last)
  const at = (column: string): Value | null => valueAt(held.get(column), endUs - 1)
  return [
    formatTime(startUs),
    rounded(power),
    most === Number.NEGATIVE_INFINITY ? null : rounded(most),
    rounded(energyWh),
    rounded(current),
    at('maximum_output_current'),
    at('operation_state'),
    at('connected_vehicle')
  ]
}

const carriedUs = carriedMsMax * 1000

const valueAt = (held: Held | undefined, us: number): Value | null =>
  held === undefined || us - held.us > carriedUs ? null : held.value

/** Weighted by time, over the time in which it is known; null when it is not at all. */
function meanOf(before: Held | undefined, within: BucketSums['power'], startUs: number, endUs: number): number | null {
  let sum = 0
  let knownUs = 0
  const hold = (held: Held, fromUs: number, toUs: number): void => {
    const us = Math.min(toUs, held.us + carriedUs) - fromUs
    if (us <= 0) return
    sum += (held.value as number) * us
    knownUs += us
  }
  if (before !== undefined) hold(before, startUs, within?.firstUs ?? endUs)
  if (within !== undefined) {
    sum += within.sum
    knownUs += within.lastUs - within.firstUs
    hold({ value: within.last, us: within.lastUs }, within.lastUs, endUs)
  }
  return knownUs === 0 ? null : sum / knownUs
}

/**
 * What the lifetime counter gained; the same rule as the database's counter_rise. Where it falls (another charger,
 * another edge) it is the least that it can have been, never below zero.
 */
function rise(before: number | undefined, { first, last, min, max }: NonNullable<BucketSums['energy']>): number {
  const since = Math.max(first - (before ?? first), 0)
  const up = last === max && first > min ? 0 : max - first
  return since + up + (first > min ? last - min : 0)
}

const rounded = (value: number | null): number | null => (value === null ? null : Math.round(value * 1000) / 1000)
