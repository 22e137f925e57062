// The energy of chargers by quarter hour, hour, day and month, computed from the quarter hours in the database. Days
// and months follow the time zone of each charger's site. A bucket without a reading of the charger has no row.

import { Zone, type Zones } from '../zone.ts'
import { microsecondsOf } from './rawRows.ts'
import { momentOf, type Within } from './within.ts'

export type EnergyResolution = '15m' | '1h' | '1d' | '1mo'
export const energyResolutions = ['15m', '1h', '1d', '1mo'] as const

/** The time range to query for one charger, in ms. Both ends are bounds of buckets. */
export interface AskedCharger {
  readonly id: number
  readonly timeZone: string
  readonly fromMs: number
  readonly toMs: number
}

export interface BucketEnergy {
  readonly charger: string
  readonly site: string | null
  readonly timeZone: string
  /** The start of the bucket, in µs. */
  readonly timeUs: string
  readonly energyWh: number
  readonly powerMaxW: number | null
}

/** A query for `BucketEnergy` rows, sorted by charger and time. */
export function energyQuery(
  asked: readonly AskedCharger[],
  resolution: EnergyResolution
): { text: string; values: unknown[] } {
  const iso = (ms: number): string => new Date(ms).toISOString()
  const bucket = bucketSql[resolution]
  return {
    text: `
      SELECT chargers.name AS charger, sites.name AS site, zone AS "timeZone", ${microsecondsOf(bucket)} AS "timeUs",
        sum(e.energy_wh) AS "energyWh", max(e.max_power_w) AS "powerMaxW"
      FROM quarter_hour_energy($1::timestamptz, $2::timestamptz, $3::integer[]) e
      JOIN unnest($3::integer[], $4::timestamptz[], $5::timestamptz[], $6::text[]) asked (id, from_time, to_time, zone)
        ON asked.id = e.charger_id AND e.bucket >= from_time AND e.bucket < to_time
      JOIN chargers ON chargers.id = e.charger_id LEFT JOIN sites ON sites.id = chargers.site
      GROUP BY chargers.id, sites.id, zone, ${bucket}
      ORDER BY chargers.name COLLATE "C", ${bucket}`,
    values: [
      iso(Math.min(...asked.map(({ fromMs }) => fromMs))),
      iso(Math.max(...asked.map(({ toMs }) => toMs))),
      asked.map(({ id }) => id),
      asked.map(({ fromMs }) => iso(fromMs)),
      asked.map(({ toMs }) => iso(toMs)),
      asked.map(({ timeZone }) => timeZone)
    ]
  }
}

const bucketSql: Readonly<Record<EnergyResolution, string>> = {
  '15m': 'e.bucket',
  '1h': "date_trunc('hour', e.bucket)",
  '1d': "date_trunc('day', e.bucket, zone)",
  '1mo': "date_trunc('month', e.bucket, zone)"
}

const widthMs = { '15m': 900_000, '1h': 3_600_000 } as const

/** The start of the bucket that holds this moment, in ms. */
export function bucketStart(ms: number, resolution: EnergyResolution, zone: Zone): number {
  if (resolution === '15m' || resolution === '1h') return Math.floor(ms / widthMs[resolution]) * widthMs[resolution]
  const day = zone.dayOf(ms)
  return zone.startOfDay(resolution === '1d' ? day : `${day.slice(0, 8)}01`)
}

/** The end of the bucket, in ms: the start of the next one. `startMs` must be the start of a bucket. */
export function bucketEnd(startMs: number, resolution: EnergyResolution, zone: Zone): number {
  if (resolution === '15m' || resolution === '1h') return startMs + widthMs[resolution]
  const day = zone.dayOf(startMs)
  if (resolution === '1d') return zone.startOfDay(Zone.nextDay(day))
  const [year, month] = day.split('-').map(Number) as [number, number]
  return zone.startOfDay(new Date(Date.UTC(year, month, 1)).toISOString().slice(0, 10))
}

/**
 * The mean power in W. For the current bucket, it is the mean of the time that has passed. Null before the bucket
 * begins.
 */
export function meanPower(energyWh: number, startMs: number, endMs: number, nowMs: number): number | null {
  const ms = Math.min(endMs, nowMs) - startMs
  return ms <= 0 ? null : Math.round((energyWh * 3_600_000_000) / ms) / 1000
}

/** A query for the energy in Wh of each charger since midnight at its site: `{charger, energyWh}`. */
export const energyTodayQuery = `
  SELECT chargers.name AS charger, sum(e.energy_wh) AS "energyWh"
  FROM quarter_hour_energy(
    (SELECT min(date_trunc('day', now(), zone))
     FROM (SELECT time_zone FROM sites UNION SELECT 'UTC') zones (zone)), now() + interval '1 day') e
  JOIN chargers ON chargers.id = e.charger_id LEFT JOIN sites ON sites.id = chargers.site
  WHERE e.bucket >= date_trunc('day', now(), coalesce(time_zone, 'UTC'))
  GROUP BY chargers.id`

/** A bucket of a charger, identified by its start in ms. */
export interface EnergyKey {
  readonly charger: string
  readonly ms: number
}

export interface EnergyPage {
  readonly asked: readonly AskedCharger[]
  /** The last bucket of this page. Undefined when no buckets follow. */
  readonly last: EnergyKey | undefined
}

export interface EnergyPlan {
  /** Sorted by name. */
  readonly chargers: readonly { readonly id: number; readonly name: string; readonly timeZone: string }[]
  readonly within: Within
  readonly resolution: EnergyResolution
  readonly nowMs: number
  readonly zones: Zones
  /** The limits of a page: buckets, and the quarter hours behind them. */
  readonly bucketsMax: number
  readonly quartersMax: number
}

/**
 * The page of the plan that follows the bucket `after`. It holds whole buckets: those that the time range touches. It
 * takes as many whole chargers as fit. Only a charger that alone exceeds the page is split.
 */
export function energyPage(plan: EnergyPlan, after?: EnergyKey): EnergyPage {
  const { chargers, resolution, bucketsMax, quartersMax } = plan
  const most = Math.max(1, Math.min(bucketsMax, Math.floor(quartersMax / quartersOf[resolution])))
  const asked: AskedCharger[] = []
  let last: EnergyKey | undefined
  let left = most
  for (const charger of chargers) {
    if (after !== undefined && charger.name < after.charger) continue
    const starts = bucketStarts(plan, charger, after, most + 1)
    if (starts.length === 0) continue
    const isWhole = starts.length <= left
    if (!isWhole && last !== undefined) return { asked, last }
    const taken = starts.slice(0, left)
    last = { charger: charger.name, ms: taken.at(-1)! }
    const toMs = bucketEnd(last.ms, resolution, plan.zones.of(charger.timeZone))
    asked.push({ id: charger.id, timeZone: charger.timeZone, fromMs: taken[0]!, toMs })
    if (!isWhole) return { asked, last }
    left -= taken.length
  }
  return { asked, last: undefined }
}

const quartersOf = { '15m': 1, '1h': 4, '1d': 100, '1mo': 3_000 } as const

function bucketStarts(
  { within, resolution, nowMs, zones }: EnergyPlan,
  { name, timeZone }: EnergyPlan['chargers'][number],
  after: EnergyKey | undefined,
  most: number
): number[] {
  const zone = zones.of(timeZone)
  const first = bucketStart(momentOf(within.from, zone) / 1000, resolution, zone)
  const endMs = Math.min(momentOf(within.to, zone) / 1000, nowMs)
  const starts: number[] = []
  let ms = first
  if (after?.charger === name && after.ms >= first)
    ms = bucketEnd(bucketStart(after.ms, resolution, zone), resolution, zone)
  for (; ms < endMs && starts.length < most; ms = bucketEnd(ms, resolution, zone)) starts.push(ms)
  return starts
}
