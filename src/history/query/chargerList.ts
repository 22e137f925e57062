// Lists the chargers of the database, each with its site and the time zone of its days.

import type { Queryable } from '../queryable.ts'

export interface ListedCharger {
  readonly id: number
  readonly name: string
  readonly site: string | null
  readonly label: string | null
  readonly serial: string | null
  readonly tariff: string | null
  /** The time zone of the site, or UTC where there is none. */
  readonly timeZone: string
}

/** Sorted by name, in the order of code points. */
export async function listChargers(db: Queryable): Promise<ListedCharger[]> {
  const { rows } = await db.query<ListedCharger>(
    `SELECT chargers.id, chargers.name, sites.name AS site, label, serial, tariff,
       coalesce(time_zone, 'UTC') AS "timeZone"
     FROM chargers LEFT JOIN sites ON sites.id = site ORDER BY chargers.name COLLATE "C"`
  )
  return rows
}
