// Gives ended sessions their cost by the present tariffs. Each session stores its energy by quarter hour, so no raw
// rows are needed. Only costs that differ are written.

import type { Db } from '../queryable.ts'
import { readPriceList } from './priceList.ts'

export interface Recosted {
  /** The number of sessions whose cost changed, and how many of them a closed month counts. */
  readonly changed: number
  readonly closed: number
}

const pageRows = 5_000

/** Computes the costs of these chargers (ids) again. Runs in the caller's transaction. */
export async function recost(db: Db, chargers: readonly number[]): Promise<Recosted> {
  const prices = await readPriceList(db)
  let [changed, closed] = [0, 0]
  let after: unknown[] = [0, '-infinity']
  for (;;) {
    const { rows } = await db.query(
      `SELECT s.charger_id, s.started_at::text AS started_at, extract(epoch FROM s.started_at)::double precision AS started_s,
         s.quarter_milli_wh, s.cost_amount::text AS amount, s.currency, s.cost_parts, c.tariff, z.time_zone,
         EXISTS (SELECT FROM month_lines l WHERE l.charger = s.charger AND l.started_at = s.started_at) AS is_closed
       FROM charging_sessions s JOIN chargers c ON c.id = s.charger_id JOIN charger_time_zones z USING (charger_id)
       WHERE s.charger_id = ANY ($1) AND s.ended_at IS NOT NULL AND (s.charger_id, s.started_at) > ($2, $3::timestamptz)
       ORDER BY s.charger_id, s.started_at LIMIT ${pageRows}`,
      [chargers, ...after]
    )
    const costed = rows.map(row => {
      const priced = { tariff: row.tariff as string | null, timeZone: String(row.time_zone) }
      const cost = prices.costOf(priced, Number(row.started_s) * 1000, (row.quarter_milli_wh as unknown[]).map(Number))
      return { row, cost }
    })
    const other = costed.filter(
      ({ row, cost }) => (cost?.amount ?? null) !== row.amount || (cost?.currency ?? null) !== row.currency
    )
    changed += other.length
    closed += other.filter(({ row }) => row.is_closed).length
    await update(
      db,
      costed.map(({ row, cost }) => ({
        charger_id: row.charger_id,
        started_at: row.started_at,
        cost_amount: cost?.amount ?? null,
        currency: cost?.currency ?? null,
        cost_parts: cost?.parts ?? null
      }))
    )
    const last = rows.at(-1)
    if (last === undefined || rows.length < pageRows) return { changed, closed }
    after = [last.charger_id, last.started_at]
  }
}

async function update(db: Db, costs: readonly object[]): Promise<void> {
  await db.query(
    `UPDATE charging_sessions s SET cost_amount = d.cost_amount, currency = d.currency, cost_parts = d.cost_parts
     FROM jsonb_to_recordset($1::jsonb)
       AS d (charger_id integer, started_at timestamptz, cost_amount numeric, currency text, cost_parts jsonb)
     WHERE s.charger_id = d.charger_id AND s.started_at = d.started_at
       AND (s.cost_amount, s.currency, s.cost_parts) IS DISTINCT FROM (d.cost_amount, d.currency, d.cost_parts)`,
    [JSON.stringify(costs)]
  )
}
