// Brings `quarter_hours` up to date for some ranges of raw rows. `quarter_hours` is a continuous aggregate or a table.
// The database is asked each time, because a database may be restored under another licence.

import type { ClientBase } from 'pg'
import type { Queryable } from '../queryable.ts'
import { unsettledMs } from './limits.ts'
import { type ChargerRange, clipped, merged, quarterOf, quartersOf } from './ranges.ts'

export type QuarterHours = 'continuous aggregate' | 'table'

/** The kind of `quarter_hours` in this database. */
export async function kindOfQuarterHours(db: Queryable): Promise<QuarterHours> {
  const { rows } = await db.query<{ kind: string }>(
    "SELECT relkind AS kind FROM pg_class WHERE oid = 'quarter_hours'::regclass"
  )
  return rows[0]!.kind === 'v' ? 'continuous aggregate' : 'table'
}

/**
 * Derives again the quarter hours that the ranges touch. Must be called outside of a transaction. The ranges must not
 * contain times whose raw rows are dropped, because their quarter hours would be deleted, too. `nowMs` is by the
 * database's clock.
 */
export async function refreshQuarterHours(
  db: ClientBase,
  kind: QuarterHours,
  ranges: readonly ChargerRange[],
  nowMs: number
): Promise<void> {
  const quarters = ranges.map(quartersOf)
  if (kind === 'table') await refreshTable(db, quarters)
  else await refreshAggregate(db, quarters, nowMs)
}

/**
 * Refreshes the aggregate for all chargers, but only in the times of rows that came since. The newest quarter hours, in
 * which rows still arrive unannounced, stay unmaterialized. They are computed when they are queried.
 */
async function refreshAggregate(db: ClientBase, quarters: readonly ChargerRange[], nowMs: number): Promise<void> {
  const settledMs = quarterOf(nowMs - unsettledMs)
  for (const { fromMs, toMs } of merged(clipped(quarters, -Infinity, settledMs)))
    await db.query(`CALL refresh_continuous_aggregate('quarter_hours', '${iso(fromMs)}', '${iso(toMs)}')`)
}

const rangesAtOnce = 1_000

async function refreshTable(db: ClientBase, quarters: readonly ChargerRange[]): Promise<void> {
  for (let i = 0; i < quarters.length; i += rangesAtOnce) {
    const some = quarters.slice(i, i + rangesAtOnce)
    await db.query('SELECT refresh_quarter_hours($1, $2, $3)', [
      some.map(({ chargerId }) => chargerId),
      some.map(({ fromMs }) => iso(fromMs)),
      some.map(({ toMs }) => iso(toMs))
    ])
  }
}

const iso = (ms: number): string => new Date(ms).toISOString()
