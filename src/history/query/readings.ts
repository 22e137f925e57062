// The readings of one charger over time. The database stores only changes, so a value holds until the next one, but at
// most for a day. Means weigh each value by how long it held. The database sums up within the buckets. This file
// carries values from one bucket to the next.

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
  /** The range ends before this time. */
  readonly toUs: number
}

/** The columns of a row of `rawReadings`. */
export const rawColumns: readonly ('time' | ValueName)[] = ['time', ...valueNames]

export interface RawReadings {
  readonly rows: Row[]
  /** The time of the last row, in µs. Undefined without rows. */
  readonly lastUs: number | undefined
  /** The values that hold after the last row. The next page starts from them. */
  readonly held: Map<string, Held>
}

/**
 * The stored rows. Each row also has the unchanged values that hold at its time. `afterUs` is the last time that the
 * caller already knows. `known` are the values that held at that time.
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

/** The columns of a row of `bucketReadings`. */
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
 * The starts of the buckets that [fromUs, toUs) touches, and the end of the last one, in ms. At most `limit` buckets.
 * Days are those of the zone. Hours and shorter buckets are those of UTC.
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

/** One row per bucket of `bounds`, with the columns `bucketColumns`. Time after `nowMs` does not count. */
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

/** The mean weighted by time, over the time in which the value is known. Null when the value is not known at all. */
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
 * The gain of the lifetime counter, in Wh, by the same rule as the database's counter_rise. Where the counter falls
 * (another charger, another edge), the gain is the least possible one, and never below zero.
 */
function rise(before: number | undefined, { first, last, min, max }: NonNullable<BucketSums['energy']>): number {
  const since = Math.max(first - (before ?? first), 0)
  const up = last === max && first > min ? 0 : max - first
  return since + up + (first > min ? last - min : 0)
}

const rounded = (value: number | null): number | null => (value === null ? null : Math.round(value * 1000) / 1000)
