// Reads the newest rows of one charger as they are stored. A row holds the values that changed at a sampling time.

import { type ValueName, valueSpecs } from '../../model/wire/chargerState.ts'
import { formatTime, type Value } from '../../model/wire/envelope.ts'
import type { Queryable } from '../queryable.ts'

export interface RawRow {
  readonly time: string
  readonly values: Partial<Record<ValueName, Value>>
}

/** The SQL for a time in µs since the Unix epoch, as text. A double in SQL would not hold the time exactly. */
export const microsecondsOf = (column: string): string => `(extract(epoch FROM ${column}) * 1000000)::bigint::text`

export const valueColumns: string = valueSpecs.map(({ column }) => column).join(', ')

/**
 * How far back to search, step by step, in days. Bounds on both sides keep the planner from opening every stored day.
 */
const lookBackDays = [1, 7, 60, 36_500]
const dayUs = 86_400_000_000

/** The newest rows first. `newestUs` is the newest known time of the charger. */
export async function newestRows(db: Queryable, charger: string, newestUs: number, limit: number): Promise<RawRow[]> {
  for (const days of lookBackDays) {
    const { rows } = await db.query<[timeUs: string, ...(Value | null)[]]>({
      rowMode: 'array',
      text: `SELECT ${microsecondsOf('time')}, ${valueColumns} FROM ev_readings
             WHERE charger_id = (SELECT id FROM chargers WHERE name = $1)
               AND time > $2::timestamptz AND time <= $3::timestamptz
             ORDER BY time DESC LIMIT $4`,
      values: [charger, formatTime(Math.max(newestUs - days * dayUs, 0)), formatTime(newestUs), limit]
    })
    if (rows.length >= limit || days === lookBackDays.at(-1)) return rows.map(rawRow)
  }
  return []
}

function rawRow([timeUs, ...fields]: readonly [timeUs: string, ...(Value | null)[]]): RawRow {
  const told = valueSpecs.flatMap(({ name }, at) => (fields[at] === null ? [] : [[name, fields[at]]]))
  return { time: formatTime(Number(timeUs)), values: Object.fromEntries(told) }
}
