// Queries charging sessions: those that ended within a time range, and the open ones if the range reaches the present.
// Open sessions come first. The others are sorted by their end, the newest first, because a session belongs to the
// month in which it ended.

import { microsecondsOf } from './rawRows.ts'
import { type Within, withinSql } from './within.ts'

export interface SessionFilter {
  readonly within: Within
  readonly withOpen: boolean
  readonly chargerId?: number | undefined
  /** The name of the site. */
  readonly site?: string | undefined
  /** Only sessions after this place in the list. */
  readonly after?: SessionKey | undefined
  readonly limit?: number | undefined
}

/** The place of a session in the list. Times are in µs. */
export interface SessionKey {
  /** Undefined while the session is open. */
  readonly endedUs: number | undefined
  readonly startedUs: number
  readonly chargerId: number
}

/** A row of the list. Times are text in µs: pg would make a Date, which is less precise. */
export interface SessionRow {
  readonly chargerId: number
  readonly charger: string
  readonly site: string | null
  readonly timeZone: string
  readonly startedUs: string
  readonly endedUs: string | null
  readonly energyWh: number
  readonly peakPowerW: number | null
  readonly vehicle: string
  readonly cardLabel: string | null
  readonly person: string | null
  readonly interruptions: number
  readonly meterStartWh: number | null
  readonly meterEndWh: number | null
  readonly estimated: boolean
  readonly costAmount: number | null
  readonly currency: string | null
}

/** A query for rows of the type `SessionRow`. */
export function sessionsQuery({ within, withOpen, chargerId, site, after, limit }: SessionFilter): {
  text: string
  values: unknown[]
} {
  const values: unknown[] = []
  const place = (value: unknown): string => `$${values.push(value)}`
  const conditions = [
    withOpen
      ? `(s.ended_at IS NULL OR (${withinSql('s.ended_at', zone, within, values)}))`
      : withinSql('s.ended_at', zone, within, values)
  ]
  if (chargerId !== undefined) conditions.push(`s.charger_id = ${place(chargerId)}`)
  if (site !== undefined) conditions.push(`sites.name = ${place(site)}`)
  if (after !== undefined) conditions.push(afterSql(after, place))
  return {
    text: `
      SELECT s.charger_id AS "chargerId", s.charger, sites.name AS site, ${zone} AS "timeZone",
        ${microsecondsOf('s.started_at')} AS "startedUs", ${microsecondsOf('s.ended_at')} AS "endedUs",
        energy_wh AS "energyWh", peak_power_w AS "peakPowerW", vehicle, card.label AS "cardLabel", card.person,
        interruptions, meter_start_wh AS "meterStartWh", meter_end_wh AS "meterEndWh", estimated,
        cost_amount::double precision AS "costAmount", currency
      FROM charging_sessions s
      JOIN chargers ON chargers.id = s.charger_id LEFT JOIN sites ON sites.id = chargers.site
      LEFT JOIN LATERAL (
        SELECT label, person FROM cards
        WHERE uid = s.vehicle AND valid_from <= (s.started_at AT TIME ZONE ${zone})::date
          AND (valid_to IS NULL OR valid_to >= (s.started_at AT TIME ZONE ${zone})::date)
        ORDER BY valid_from DESC LIMIT 1) card ON s.vehicle <> ''
      WHERE ${conditions.join(' AND ')}
      ORDER BY s.ended_at DESC NULLS FIRST, s.started_at DESC, s.charger_id
      ${limit === undefined ? '' : `LIMIT ${place(limit)}`}`,
    values
  }
}

const zone = "coalesce(sites.time_zone, 'UTC')"

function afterSql({ endedUs, startedUs, chargerId }: SessionKey, place: (value: unknown) => string): string {
  const moment = (us: number): string => `timestamptz 'epoch' + ${place(us)}::bigint * interval '1 microsecond'`
  const started = `(s.started_at < ${moment(startedUs)} OR (s.started_at = ${moment(startedUs)} AND s.charger_id > ${place(chargerId)}))`
  if (endedUs === undefined) return `(s.ended_at IS NOT NULL OR ${started})`
  return `s.ended_at <= ${moment(endedUs)} AND (s.ended_at < ${moment(endedUs)} OR ${started})`
}
