// The SQL statements for closed months, one function each.

import type { Db } from '../queryable.ts'

/** A site whose chargers are accounted for together. The name is empty for chargers without a site. */
export interface MonthSite {
  readonly site: string
  readonly timeZone: string
}

export async function readSites(db: Db): Promise<MonthSite[]> {
  const { rows } = await db.query(
    `SELECT name AS site, time_zone AS "timeZone" FROM sites
     UNION ALL SELECT '', 'UTC' WHERE EXISTS (SELECT FROM chargers WHERE site IS NULL)
     ORDER BY 1`
  )
  return rows as unknown as MonthSite[]
}

export async function chargersOf(db: Db, { site }: MonthSite): Promise<number[]> {
  const { rows } = await db.query(
    `SELECT c.id FROM chargers c LEFT JOIN sites s ON s.id = c.site WHERE coalesce(s.name, '') = $1 ORDER BY c.name`,
    [site]
  )
  return rows.map(({ id }) => Number(id))
}

export interface StoredStatement {
  readonly id: number
  readonly site: string
  /** For example `2026-10`. */
  readonly month: string
  readonly closedAt: Date
  readonly forced: boolean
  readonly content: string
  readonly sha256: string
}

/** Sorted by month, then by site. With `month`, only the statements of that month. */
export async function readStatements(db: Db, month?: string): Promise<StoredStatement[]> {
  const { rows } = await db.query(
    `SELECT id, site, to_char(month, 'YYYY-MM') AS month, closed_at AS "closedAt", forced, content, sha256
     FROM month_statements WHERE $1::date IS NULL OR month = $1::date ORDER BY month_statements.month, site`,
    [month === undefined ? null : `${month}-01`]
  )
  return rows as unknown as StoredStatement[]
}

export interface MonthLine {
  readonly kind: 'session' | 'correction'
  readonly ofMonth: string
  readonly charger: string
  readonly startedAt: string
  readonly endedAt: string | null
  readonly vehicle: string
  readonly person: string
  /** `energyWh` has three decimals, `amount` has two. In a correction both are differences. */
  readonly energyWh: string
  readonly amount: string | null
  readonly currency: string | null
  readonly estimated: boolean
  readonly interruptions: number | null
  readonly meterStartWh: number | null
  readonly meterEndWh: number | null
}

/**
 * The lines of a statement of `month`: its sessions, and the changes in closed months of the site. Without a month,
 * only the changes. A session stays with the site whose statement counted it first.
 */
export async function readLines(
  db: Db,
  { site, timeZone }: MonthSite,
  month: string | undefined
): Promise<MonthLine[]> {
  const iso = (column: string) => `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`
  const { rows } = await db.query(
    `WITH closed AS (SELECT month FROM month_statements WHERE site = $1),
     accounted AS (
       SELECT t.site, l.charger, l.started_at, coalesce(l.currency, '') AS currency, min(l.of_month) AS of_month,
         max(l.ended_at) AS ended_at, max(l.vehicle) AS vehicle, sum(l.energy_wh) AS energy_wh, sum(l.amount) AS amount
       FROM month_lines l JOIN month_statements t ON t.id = l.statement_id
       GROUP BY 1, 2, 3, 4 HAVING sum(l.energy_wh) <> 0 OR sum(l.amount) <> 0 OR count(*) = 1
     ),
     present AS (
       SELECT s.charger, s.started_at, s.ended_at, s.vehicle, s.estimated, s.interruptions, s.meter_start_wh, s.meter_end_wh,
         round(s.energy_wh::numeric, 3) AS energy_wh, s.cost_amount AS amount, coalesce(s.currency, '') AS currency, m.month
       FROM charging_sessions s
       JOIN chargers c ON c.id = s.charger_id LEFT JOIN sites p ON p.id = c.site,
       LATERAL (SELECT date_trunc('month', s.ended_at AT TIME ZONE $2)::date AS month) m
       WHERE s.ended_at IS NOT NULL AND (m.month = $3::date OR m.month IN (SELECT month FROM closed))
         AND coalesce(
           (SELECT a.site FROM accounted a WHERE a.charger = s.charger AND a.started_at = s.started_at LIMIT 1),
           p.name, '') = $1
     ),
     own AS (SELECT * FROM accounted WHERE site = $1)
     SELECT CASE WHEN n.month = $3::date AND NOT EXISTS (
           SELECT FROM own o WHERE o.charger = n.charger AND o.started_at = n.started_at)
         THEN 'session' ELSE 'correction' END AS kind,
       to_char(coalesce(a.of_month, n.month), 'YYYY-MM') AS "ofMonth", charger, ${iso('started_at')} AS "startedAt",
       ${iso('coalesce(n.ended_at, a.ended_at)')} AS "endedAt", coalesce(n.vehicle, a.vehicle) AS vehicle,
       coalesce((SELECT k.person FROM cards k WHERE k.uid = coalesce(n.vehicle, a.vehicle)
         AND (started_at AT TIME ZONE $2)::date BETWEEN k.valid_from AND coalesce(k.valid_to, 'infinity') LIMIT 1), '') AS person,
       (coalesce(n.energy_wh, 0) - coalesce(a.energy_wh, 0))::numeric(16, 3)::text AS "energyWh",
       CASE WHEN currency <> '' THEN (coalesce(n.amount, 0) - coalesce(a.amount, 0))::numeric(14, 2)::text END AS amount,
       nullif(currency, '') AS currency, coalesce(n.estimated, false) AS estimated, n.interruptions,
       n.meter_start_wh AS "meterStartWh", n.meter_end_wh AS "meterEndWh"
     FROM present n FULL JOIN own a USING (charger, started_at, currency)
     WHERE a.charger IS NULL OR n.charger IS NULL OR a.energy_wh <> n.energy_wh OR a.amount IS DISTINCT FROM n.amount
     ORDER BY 1 DESC, charger, started_at, currency`,
    [site, timeZone, month === undefined ? null : `${month}-01`]
  )
  return rows as unknown as MonthLine[]
}

export async function insertStatement(
  db: Db,
  statement: Omit<StoredStatement, 'id'>,
  lines: readonly MonthLine[]
): Promise<void> {
  const { site, month, closedAt, forced, content, sha256 } = statement
  const { rows } = await db.query(
    `INSERT INTO month_statements (site, month, closed_at, forced, content, sha256)
     VALUES ($1, $2, $3, $4, $5, $6) RETURNING id`,
    [site, `${month}-01`, closedAt, forced, content, sha256]
  )
  const records = lines.map((line, i) => ({ ...line, line: i + 1, ofMonth: `${line.ofMonth}-01` }))
  await db.query(
    `INSERT INTO month_lines
       (statement_id, line, kind, of_month, charger, started_at, ended_at, vehicle, energy_wh, amount, currency)
     SELECT $1::integer, d.line, d.kind, d."ofMonth", d.charger, d."startedAt", d."endedAt", d.vehicle, d."energyWh", d.amount, d.currency
     FROM jsonb_to_recordset($2::jsonb) AS d (line integer, kind text, "ofMonth" date, charger text, "startedAt" timestamptz,
       "endedAt" timestamptz, vehicle text, "energyWh" numeric, amount numeric, currency text)`,
    [rows[0]!.id, JSON.stringify(records)]
  )
}
