// Brings `quarter_hours` up to date for some ranges of raw rows. It is a continuous aggregate or a table, asked of the
// database each time: a database may be restored under another licence.

import type { ClientBase } from 'pg'
import type { Queryable } from '../queryable.ts'
import { unsettledMs } from './limits.ts'
import { type ChargerRange, clipped, merged, quarterOf, quartersOf } from './ranges.ts'

export type QuarterHours = 'continuous aggregate' | 'table'

/** What this database has. */
export async function kindOfQuarterHours(db: Queryable): Promise<QuarterHours> {
  const { rows } = await db.query<{ kind: string }>(
    "SELECT relkind AS kind FROM pg_class WHERE oid = 'quarter_hours'::regclass"
  )
  return rows[0]!.kind === 'v' ? 'continuous aggregate' : 'table'
}

/**
 * Derives the quarter hours anew that the ranges touch. Outside of a transaction. The ranges must hold nothing whose
 * raw rows are gone: its quarter hours would go, too. `nowMs` by the database's clock.
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
 * An aggregate is refreshed for all chargers, but only where rows came since. What is so new that rows still come
 * unannounced stays unmaterialized: it is computed as it is asked.
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
