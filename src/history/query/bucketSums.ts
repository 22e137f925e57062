// Sums up the readings of one charger within buckets of time, and finds the values that held before them. One pass over
// the rows of the range does it. Only the sums leave the database, regardless of the number of rows.

import { valueSpecs } from '../../model/wire/chargerState.ts'
import { formatTime, type Value } from '../../model/wire/envelope.ts'
import type { Queryable } from '../queryable.ts'
import { carriedMsMax } from './limits.ts'
import { microsecondsOf } from './rawRows.ts'

/** A value, and the newest sampling time at which it was reported. */
export interface Held {
  readonly value: Value
  readonly us: number
}

export interface BucketSums {
  readonly power: Weighted | undefined
  readonly powerMaxW: number | undefined
  readonly current: Weighted | undefined
  /** Readings of the lifetime counter, in Wh. */
  readonly energy:
    | { readonly first: number; readonly last: number; readonly min: number; readonly max: number }
    | undefined
  /** The last value of each column within the bucket. */
  readonly last: ReadonlyMap<string, Held>
}

/** Sums over the time between the first and the last value in the bucket. */
export interface Weighted {
  /** The sum of value times microseconds. */
  readonly sum: number
  readonly firstUs: number
  readonly lastUs: number
  readonly last: number
}

const columns = valueSpecs.map(({ column }) => column)
const lastOf = (column: string): string =>
  `(array_agg(${column} ORDER BY time DESC) FILTER (WHERE ${column} IS NOT NULL))[1]`
const lastTimeOf = (column: string): string => microsecondsOf(`max(time) FILTER (WHERE ${column} IS NOT NULL)`)
const lastColumns = columns.map(column => `${lastOf(column)}, ${lastTimeOf(column)}`).join(', ')

type Field = Value | null

/**
 * The values that held at `us`, by column: the newest value of each column within the time for which a value is carried
 * forward.
 */
export async function lastBefore(db: Queryable, chargerId: number, us: number): Promise<Map<string, Held>> {
  const { rows } = await db.query<Field[]>({
    rowMode: 'array',
    text: `SELECT ${lastColumns} FROM ev_readings
           WHERE charger_id = $1 AND time >= $2::timestamptz AND time < $3::timestamptz`,
    values: [chargerId, formatTime(us - carriedMsMax * 1000), formatTime(us)]
  })
  return heldOf(rows[0]!)
}

function heldOf(fields: readonly Field[]): Map<string, Held> {
  const held = new Map<string, Held>()
  columns.forEach((column, at) => {
    const [value, us] = [fields[2 * at]!, fields[2 * at + 1]!]
    if (value !== null) held.set(column, { value, us: Number(us) })
  })
  return held
}

const weighted = (column: string): string => `
  CASE WHEN ${column} IS NOT NULL THEN ${column} * 1000000 * extract(epoch FROM
    lead(time) OVER (PARTITION BY bucket, ${column} IS NULL ORDER BY time) - time)::double precision END`

/**
 * The sums of each bucket, by bucket number. Buckets without a row are left out. `bounds` holds the start of each
 * bucket and the end of the last one, in ms.
 */
export async function sumBuckets(
  db: Queryable,
  chargerId: number,
  bounds: readonly number[]
): Promise<Map<number, BucketSums>> {
  const { rows } = await db.query<[bucket: number, ...Field[]]>({
    rowMode: 'array',
    text: `
      SELECT bucket,
        coalesce(sum(power_sum), 0), ${microsecondsOf('min(time) FILTER (WHERE power_output IS NOT NULL)')},
        coalesce(sum(current_sum), 0), ${microsecondsOf('min(time) FILTER (WHERE output_current IS NOT NULL)')},
        max(power_output),
        (array_agg(total_energy_consumption ORDER BY time) FILTER (WHERE total_energy_consumption IS NOT NULL))[1],
        min(total_energy_consumption), max(total_energy_consumption),
        ${lastColumns}
      FROM (
        SELECT *, ${weighted('power_output')} AS power_sum, ${weighted('output_current')} AS current_sum
        FROM (
          SELECT *, width_bucket(time, $4::timestamptz[]) - 1 AS bucket FROM ev_readings
          WHERE charger_id = $1 AND time >= $2::timestamptz AND time < $3::timestamptz
        ) placed
      ) known
      GROUP BY bucket`,
    values: [chargerId, iso(bounds[0]!), iso(bounds.at(-1)!), bounds.map(iso)]
  })
  return new Map(rows.map(([bucket, ...fields]) => [bucket, sumsOf(fields)]))
}

function sumsOf(fields: readonly Field[]): BucketSums {
  const [powerSum, powerFirst, currentSum, currentFirst, powerMax, first, min, max, ...lastFields] = fields
  const last = heldOf(lastFields)
  const energyLast = last.get('total_energy_consumption')?.value
  return {
    power: weightedOf(powerSum!, powerFirst!, last.get('power_output')),
    current: weightedOf(currentSum!, currentFirst!, last.get('output_current')),
    powerMaxW: (powerMax as number | null) ?? undefined,
    energy:
      energyLast === undefined
        ? undefined
        : { first: first as number, last: energyLast as number, min: min as number, max: max as number },
    last
  }
}

const weightedOf = (sum: Field, firstUs: Field, last: Held | undefined): Weighted | undefined =>
  last && { sum: Number(sum), firstUs: Number(firstUs), lastUs: last.us, last: last.value as number }

const iso = (ms: number): string => new Date(ms).toISOString()
