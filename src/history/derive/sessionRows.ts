// The SQL statements for the derivation of sessions, one function each. Times go in as RFC 3339 with microseconds. They
// come out as whole µs since the Unix epoch.

import { formatTime } from '../../model/wire/envelope.ts'
import type { Cost } from '../billing/tariff.ts'
import type { SessionRow } from '../counters.ts'
import type { Db } from '../queryable.ts'
import { curveMilliWh, type Session } from '../session.ts'

/** A point from which a derivation can continue: its state after all rows before `atUs`. */
export interface Mark {
  readonly atUs: number
  readonly state: string
}

export interface ChargerMarks {
  readonly chargerId: number
  readonly name: string
  readonly tariff: string | null
  readonly timeZone: string
  /**
   * `head` is at the start of the time in which rows may still arrive. `tip` is after the newest row that was taken.
   */
  readonly head: Mark | undefined
  readonly tip: Mark | undefined
  /** The newest midnight at or before the start of the range. */
  readonly before: Mark | undefined
  /** The first midnights after the range. Later midnights are needed only after very unusual rows. */
  readonly after: readonly Mark[]
}

/** The number of midnights at which a derivation may find that nothing differs any more. */
const marksMax = 30
/**
 * How many days marks are kept. No row arrives later, unless `--accept-past-days` allows it. Then the rows are read
 * from the beginning.
 */
const stateDaysMax = 800

const us = (column: string): string => `(extract(epoch FROM ${column}) * 1000000)::bigint`

export async function readMarks(
  db: Db,
  asked: readonly { chargerId: number; fromUs: number; toUs: number }[]
): Promise<ChargerMarks[]> {
  const { rows } = await db.query(
    `SELECT c.id, c.name, c.tariff, z.time_zone, ${us('h.at')} AS head_at, h.state AS head_state,
       ${us('h.tip_at')} AS tip_at, h.tip_state, ${us('b.at')} AS before_at, b.state AS before_state, a.marks
     FROM unnest($1::integer[], $2::timestamptz[], $3::timestamptz[]) q (id, from_time, to_time)
     JOIN chargers c ON c.id = q.id
     JOIN charger_time_zones z ON z.charger_id = q.id
     LEFT JOIN session_heads h ON h.charger_id = q.id
     LEFT JOIN LATERAL (
       SELECT at, state FROM session_states s WHERE s.charger_id = q.id AND s.at <= q.from_time ORDER BY at DESC LIMIT 1
     ) b ON h.at > q.from_time OR h.at IS NULL
     LEFT JOIN LATERAL (
       SELECT json_agg(json_build_array(${us('s.at')}, s.state) ORDER BY s.at) AS marks
       FROM (
         SELECT at, state FROM session_states s WHERE s.charger_id = q.id AND s.at >= q.to_time ORDER BY at LIMIT ${marksMax}
       ) s
     ) a ON h.at > q.from_time`,
    [
      asked.map(({ chargerId }) => chargerId),
      asked.map(({ fromUs }) => formatTime(fromUs)),
      asked.map(({ toUs }) => formatTime(toUs))
    ]
  )
  return rows.map(row => ({
    chargerId: Number(row.id),
    name: String(row.name),
    tariff: row.tariff as string | null,
    timeZone: String(row.time_zone),
    head: markOf(row.head_at, row.head_state),
    tip: markOf(row.tip_at, row.tip_state),
    before: markOf(row.before_at, row.before_state),
    after: ((row.marks ?? []) as [number, string][]).map(([atUs, state]) => ({ atUs, state }))
  }))
}

const markOf = (atUs: unknown, state: unknown): Mark | undefined =>
  atUs === null || atUs === undefined ? undefined : { atUs: Number(atUs), state: String(state) }

/** The first `limit` rows of each charger in [fromUs, toUs), in time order. */
export async function readRows(
  db: Db,
  asked: readonly { chargerId: number; fromUs: number; toUs: number }[],
  limit: number
): Promise<Map<number, SessionRow[]>> {
  // The whole span is given as constants, so that the planner leaves out all other days.
  const span = [Math.min(...asked.map(({ fromUs }) => fromUs)), Math.max(...asked.map(({ toUs }) => toUs))] as const
  const { rows } = await db.query(
    `SELECT q.id, ${us('r.time')} AS time_us, r.operation_state, r.total_energy_consumption, r.session_energy,
       r.power_output, r.connected_vehicle, r.charger_status
     FROM unnest($1::integer[], $2::timestamptz[], $3::timestamptz[]) q (id, from_time, to_time), LATERAL (
       SELECT * FROM ev_readings e
       WHERE e.charger_id = q.id AND e.time >= q.from_time AND e.time < q.to_time
         AND e.time >= '${formatTime(span[0])}' AND e.time < '${formatTime(span[1])}'
       ORDER BY e.time LIMIT $4) r
     ORDER BY q.id, r.time`,
    [
      asked.map(({ chargerId }) => chargerId),
      asked.map(({ fromUs }) => formatTime(fromUs)),
      asked.map(({ toUs }) => formatTime(toUs)),
      limit
    ]
  )
  const byCharger = new Map<number, SessionRow[]>(asked.map(({ chargerId }) => [chargerId, []]))
  for (const row of rows) byCharger.get(row.id as number)!.push(sessionRowOf(row))
  return byCharger
}

const sessionRowOf = (row: Record<string, unknown>): SessionRow => ({
  timeUs: Number(row.time_us),
  state: row.operation_state as string | null,
  totalWh: row.total_energy_consumption as number | null,
  sessionWh: row.session_energy as number | null,
  powerW: row.power_output as number | null,
  vehicle: row.connected_vehicle as string | null,
  status: row.charger_status as string | null
})

export interface DerivedSession {
  readonly chargerId: number
  readonly charger: string
  readonly session: Session
  readonly cost: Cost | undefined
}

/** Writes the sessions that are new or differ. */
export async function upsertSessions(db: Db, derived: readonly DerivedSession[]): Promise<void> {
  if (derived.length === 0) return
  const columns = sessionColumns.map(([name]) => name).join(', ')
  const changed = sessionColumns.slice(3).map(([name]) => name)
  await db.query(
    `INSERT INTO charging_sessions AS s (${columns})
     SELECT ${columns} FROM jsonb_to_recordset($1::jsonb)
       AS d (${sessionColumns.map(([name, type]) => `${name} ${type}`).join(', ')})
     ON CONFLICT (charger_id, started_at) DO UPDATE SET ${changed.map(name => `${name} = excluded.${name}`).join(', ')}
     WHERE (${changed.map(name => `s.${name}`).join(', ')}) IS DISTINCT FROM (${changed.map(name => `excluded.${name}`).join(', ')})`,
    [JSON.stringify(derived.map(recordOf))]
  )
}

const sessionColumns: readonly (readonly [name: string, type: string])[] = [
  ['charger', 'text'],
  ['charger_id', 'integer'],
  ['started_at', 'timestamptz'],
  ['ended_at', 'timestamptz'],
  ['energy_wh', 'double precision'],
  ['peak_power_w', 'double precision'],
  ['vehicle', 'text'],
  ['interruptions', 'integer'],
  ['meter_start_wh', 'double precision'],
  ['meter_end_wh', 'double precision'],
  ['estimated', 'boolean'],
  ['charged_until', 'timestamptz'],
  ['cost_amount', 'numeric'],
  ['currency', 'text'],
  ['cost_parts', 'jsonb'],
  ['quarter_milli_wh', 'bigint[]'],
  ['decided_at', 'timestamptz']
]

const recordOf = ({ chargerId, charger, session, cost }: DerivedSession) => ({
  charger,
  charger_id: chargerId,
  started_at: formatTime(session.startedUs),
  ended_at: session.endedUs === null ? null : formatTime(session.endedUs),
  energy_wh: Math.round(session.energyWh * 1000) / 1000,
  peak_power_w: session.peakPowerW,
  vehicle: session.vehicle,
  interruptions: session.interruptions,
  meter_start_wh: session.meterStartWh,
  meter_end_wh: session.meterEndWh,
  estimated: session.estimated,
  charged_until: formatTime(session.chargedUntilUs),
  cost_amount: cost?.amount ?? null,
  currency: cost?.currency ?? null,
  cost_parts: cost?.parts ?? null,
  quarter_milli_wh: curveMilliWh(session),
  decided_at: formatTime(session.lastRowUs)
})

export interface DerivedSpan {
  readonly chargerId: number
  /** Undefined: the span starts with the first row. */
  readonly fromUs: number | undefined
  /** Undefined: the span ends with the newest row. */
  readonly toUs: number | undefined
  /** The starts of the sessions that rows of the span decided. */
  readonly startedUs: readonly number[]
}

/** Deletes the sessions that the rows of these spans no longer give. */
export async function deleteOtherSessions(db: Db, spans: readonly DerivedSpan[]): Promise<void> {
  const kept = spans.flatMap(({ chargerId, startedUs }) => startedUs.map(started => [chargerId, formatTime(started)]))
  await db.query(
    `DELETE FROM charging_sessions s
     USING unnest($1::integer[], $2::timestamptz[], $3::timestamptz[]) q (id, from_time, to_time)
     WHERE s.charger_id = q.id AND s.decided_at >= q.from_time AND s.decided_at < q.to_time
       AND NOT EXISTS (SELECT FROM unnest($4::integer[], $5::timestamptz[]) k (id, started_at)
         WHERE k.id = s.charger_id AND k.started_at = s.started_at)`,
    [
      spans.map(({ chargerId }) => chargerId),
      spans.map(({ fromUs }) => (fromUs === undefined ? '-infinity' : formatTime(fromUs))),
      spans.map(({ toUs }) => (toUs === undefined ? 'infinity' : formatTime(toUs))),
      kept.map(([id]) => id),
      kept.map(([, started]) => started)
    ]
  )
}

export interface ChargerMark extends Mark {
  readonly chargerId: number
}

export async function upsertStates(db: Db, marks: readonly ChargerMark[]): Promise<void> {
  if (marks.length === 0) return
  const [ids, times] = [marks.map(({ chargerId }) => chargerId), marks.map(({ atUs }) => formatTime(atUs))]
  await db.query(
    `INSERT INTO session_states AS s (charger_id, at, state)
     SELECT * FROM unnest($1::integer[], $2::timestamptz[], $3::text[])
     ON CONFLICT (charger_id, at) DO UPDATE SET state = excluded.state WHERE s.state <> excluded.state`,
    [ids, times, marks.map(({ state }) => state)]
  )
  await db.query(
    `DELETE FROM session_states s USING unnest($1::integer[], $2::timestamptz[]) q (id, at)
     WHERE s.charger_id = q.id AND s.at < q.at - interval '${stateDaysMax} days'`,
    [ids, times]
  )
}

export interface ChargerHead {
  readonly chargerId: number
  readonly head: Mark
  readonly tip: Mark
}

export async function upsertHeads(db: Db, heads: readonly ChargerHead[]): Promise<void> {
  if (heads.length === 0) return
  await db.query(
    `INSERT INTO session_heads (charger_id, at, state, tip_at, tip_state)
     SELECT * FROM unnest($1::integer[], $2::timestamptz[], $3::text[], $4::timestamptz[], $5::text[])
     ON CONFLICT (charger_id) DO UPDATE
     SET at = excluded.at, state = excluded.state, tip_at = excluded.tip_at, tip_state = excluded.tip_state`,
    [
      heads.map(({ chargerId }) => chargerId),
      heads.map(({ head }) => formatTime(head.atUs)),
      heads.map(({ head }) => head.state),
      heads.map(({ tip }) => formatTime(tip.atUs)),
      heads.map(({ tip }) => tip.state)
    ]
  )
}
