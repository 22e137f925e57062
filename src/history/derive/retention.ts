// Drops old raw rows, a whole day at a time. The data that was derived from them stays, and is never derived again.
// `raw_from` records this in the transaction that drops the rows.

import type { ClientBase } from 'pg'

const dayMs = 86_400_000

/** How long a writer may wait for the drop. After this time the drop waits for the next turn. */
const lockTimeout = '5s'

/** Drops all days (UTC) that end before `beforeMs`. Drops nothing while late rows of these days are not derived yet. */
export async function dropRawRows(db: ClientBase, beforeMs: number): Promise<void> {
  const before = new Date(Math.floor(beforeMs / dayMs) * dayMs).toISOString()
  const { rows } = await db.query(
    `SELECT EXISTS (SELECT FROM history_changes WHERE from_time < '${before}')
        OR (SELECT derived_to IS NULL OR derived_to < '${before}' FROM history_state) AS underived,
      EXISTS (SELECT FROM ev_readings WHERE time < '${before}') AS any_row`
  )
  if (rows[0].underived || !rows[0].any_row) return
  await db.query('BEGIN')
  await db.query(`SET LOCAL lock_timeout = '${lockTimeout}'`)
  await db.query(`UPDATE history_state SET raw_from = greatest(raw_from, '${before}')`)
  await db.query(`SELECT drop_ev_readings_before('${before}')`)
  await db.query('COMMIT')
}
