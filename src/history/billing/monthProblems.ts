// Checks whether a month is complete. It finds samples that an edge has not sent, times in which a charger was silent,
// and rows that the server has not derived yet.

import type { Db } from '../queryable.ts'

export interface MonthProblem {
  readonly charger: string
  readonly problem: string
}

/** An edge reports every value again after 15 minutes, so a silence longer than this is a gap. */
const gapHours = 1

/**
 * The problems of these chargers (ids) in [fromMs, toMs), sorted by name. A charger that sent nothing before the end of
 * the range has no problems.
 */
export async function monthProblems(
  db: Db,
  chargers: readonly number[],
  fromMs: number,
  toMs: number
): Promise<MonthProblem[]> {
  const span = [chargers, new Date(fromMs), new Date(toMs)]
  const found = [await backlogs(db, span), await underived(db, span), await gaps(db, span)].flat()
  return found.sort((a, b) => (a.charger < b.charger ? -1 : a.charger > b.charger ? 1 : 0))
}

const minute = (column: string): string => `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI"Z"')`

async function backlogs(db: Db, [chargers, , to]: readonly unknown[]): Promise<MonthProblem[]> {
  const { rows } = await db.query(
    `SELECT c.name AS charger, 'its edge has samples to send since ' || (e.status->>'OldestUnsent') AS problem
     FROM edge_status e JOIN chargers c ON c.id = e.charger_id
     WHERE c.id = ANY ($1) AND (e.status->>'OldestUnsent')::timestamptz < $2`,
    [chargers, to]
  )
  return rows as unknown as MonthProblem[]
}

async function underived(db: Db, [chargers, , to]: readonly unknown[]): Promise<MonthProblem[]> {
  const { rows } = await db.query(
    `SELECT DISTINCT c.name AS charger, 'late rows are not derived yet: a running server does it within minutes' AS problem
     FROM history_changes h JOIN chargers c ON c.id = h.charger_id WHERE c.id = ANY ($1) AND h.from_time < $2
     UNION ALL
     SELECT 'all', 'rows are derived until ' || coalesce(${minute('derived_to')}, 'nowhere') || ': a running server does it within minutes'
     FROM history_state WHERE derived_to IS NULL OR derived_to < $2`,
    [chargers, to]
  )
  return rows as unknown as MonthProblem[]
}

/** Finds gaps within the range. It also looks from the last reading before the range to the first reading after it. */
async function gaps(db: Db, span: readonly unknown[]): Promise<MonthProblem[]> {
  const { rows } = await db.query(
    `WITH told AS (
       SELECT charger_id, first_time, last_time FROM quarter_hours
       WHERE charger_id = ANY ($1) AND bucket >= $2 AND bucket < $3
       UNION ALL
       SELECT c.id, b.first_time, b.last_time FROM unnest($1::integer[]) c (id), LATERAL (
         SELECT first_time, last_time FROM quarter_hours q
         WHERE q.charger_id = c.id AND q.bucket < $2 ORDER BY q.bucket DESC LIMIT 1) b
       UNION ALL
       SELECT c.id, a.first_time, a.last_time FROM unnest($1::integer[]) c (id), LATERAL (
         SELECT first_time, last_time FROM quarter_hours q
         WHERE q.charger_id = c.id AND q.bucket >= $3 ORDER BY q.bucket LIMIT 1) a
     ),
     silent AS (
       SELECT charger_id, last_time AS since, lead(first_time) OVER (PARTITION BY charger_id ORDER BY first_time) AS until
       FROM told
     ),
     gaps AS (
       SELECT charger_id, since, until, coalesce(until, now()) - since AS length FROM silent
       WHERE since < $3 AND (until > $2 OR until IS NULL) AND coalesce(until, greatest(now(), $3)) - since > interval '${gapHours} hour'
     )
     SELECT c.name AS charger, string_agg(
         CASE WHEN g.until IS NULL THEN 'nothing since ' || ${minute('g.since')}
           ELSE 'nothing from ' || ${minute('g.since')} || ' to ' || ${minute('g.until')} END, '; ' ORDER BY g.since) AS problem
     FROM (SELECT *, row_number() OVER (PARTITION BY charger_id ORDER BY length DESC) AS place FROM gaps) g
     JOIN chargers c ON c.id = g.charger_id WHERE g.place <= 3 GROUP BY c.name`,
    [...span]
  )
  return rows as unknown as MonthProblem[]
}
