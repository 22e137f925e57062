// The newest rows of one charger as they are stored: what changed at each sampling time.

import { type ValueName, valueSpecs } from '../../model/wire/chargerState.ts'
import { formatTime, type Value } from '../../model/wire/envelope.ts'
import type { Queryable } from '../queryable.ts'

export interface RawRow {
  readonly time: string
  readonly values: Partial<Record<ValueName, Value>>
}

/** A time in microseconds since the Unix epoch as text, which a double would not hold exactly in SQL. */
export const microsecondsOf = (column: string): string => `(extract(epoch FROM ${column}) * 1000000)::bigint::text`

export const valueColumns: string = valueSpecs.map(({ column }) => column).join(', ')

/** How far back is looked, in steps: bounds of both sides keep the planner from opening every day that there is. */
const lookBackDays = [1, 7, 60, 36_500]
const dayUs = 86_400_000_000

/** Newest first; `newestUs` is the newest time that is known of the charger. */
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
