// The sources of exports: each has pages of rows, and the columns of a row. Every page is a query of its own that
// starts after the last row of the page before. So an export needs the memory of one page, and a slow reader holds no
// transaction and no connection. Measured with 400,000 readings, in rows a second: COPY TO 460,000 to 760,000, a cursor
// 145,000 to 170,000, pages 55,000. Only the figure for pages includes carrying values forward and making text. These
// two take most of the time here.

import { valueSpecs } from '../../model/wire/chargerState.ts'
import { formatTime, parseTime } from '../../model/wire/envelope.ts'
import type { Queryable } from '../queryable.ts'
import type { Zones } from '../zone.ts'
import type { ListedCharger } from './chargerList.ts'
import {
  type BucketEnergy,
  bucketEnd,
  type EnergyKey,
  type EnergyResolution,
  energyPage,
  energyQuery,
  meanPower
} from './energy.ts'
import type { Column } from './exportText.ts'
import { energyQuartersMax } from './limits.ts'
import { microsecondsOf } from './rawRows.ts'
import { type Row as ReadingsRow, rawReadings } from './readings.ts'
import { type SessionKey, type SessionRow, sessionsQuery } from './sessionList.ts'
import { momentOf, type Within } from './within.ts'

export interface ExportRequest {
  readonly db: Queryable
  readonly within: Within
  /** The chargers to export, sorted by name. */
  readonly chargers: readonly ListedCharger[]
  /** The filters by which `chargers` were chosen. */
  readonly chargerId: number | undefined
  readonly site: string | undefined
  readonly resolution: EnergyResolution
  readonly zones: Zones
  readonly nowMs: number
  /** The number of rows that are read, and made into text, at once. */
  readonly pageRows: number
  /** Whether the caller may read card ids and their holders. If not, the text `hiddenCard` replaces them. */
  readonly mayReadCards: boolean
}

export interface Source<Row> {
  readonly columns: readonly Column<Row>[]
  readonly pages: () => AsyncGenerator<readonly Row[]>
}

const hiddenCard = '***'

const kilo = (value: number | null): number | null => (value === null ? null : Math.round(value * 1000) / 1_000_000)

export function sessionsSource(request: ExportRequest): Source<SessionRow> {
  const { zones, mayReadCards } = request
  const time = (us: string | null, { timeZone }: SessionRow): string | null =>
    us === null ? null : zones.of(timeZone).format(Number(us))
  const card = (text: string | null): string | null => (mayReadCards || !text ? text : hiddenCard)
  return {
    columns: [
      { header: 'Charger', key: 'charger', csv: row => row.charger },
      { header: 'Site', key: 'site', csv: row => row.site },
      { header: 'Started', key: 'startedAt', csv: row => time(row.startedUs, row) },
      { header: 'Ended', key: 'endedAt', csv: row => time(row.endedUs, row) },
      { header: 'Time zone', key: 'timeZone', csv: row => row.timeZone },
      { header: 'Energy (kWh)', key: 'energyWh', csv: row => kilo(row.energyWh), json: row => row.energyWh },
      { header: 'Peak power (kW)', key: 'peakPowerW', csv: row => kilo(row.peakPowerW), json: row => row.peakPowerW },
      { header: 'Card', key: 'vehicle', csv: row => card(row.vehicle) },
      { header: 'Card label', key: 'cardLabel', csv: row => card(row.cardLabel) },
      { header: 'Person', key: 'person', csv: row => card(row.person) },
      { header: 'Interruptions', key: 'interruptions', csv: row => row.interruptions },
      {
        header: 'Meter at start (kWh)',
        key: 'meterStartWh',
        csv: row => kilo(row.meterStartWh),
        json: row => row.meterStartWh
      },
      {
        header: 'Meter at end (kWh)',
        key: 'meterEndWh',
        csv: row => kilo(row.meterEndWh),
        json: row => row.meterEndWh
      },
      { header: 'Estimated', key: 'estimated', csv: row => row.estimated },
      { header: 'Cost', key: 'costAmount', csv: row => row.costAmount },
      { header: 'Currency', key: 'currency', csv: row => row.currency }
    ],
    pages: () => sessionPages(request)
  }
}

async function* sessionPages({ db, within, chargerId, site, nowMs, zones, pageRows }: ExportRequest) {
  const withOpen = momentOf(within.to, zones.of('UTC')) > nowMs * 1000
  for (let after: SessionKey | undefined; ; ) {
    const query = sessionsQuery({ within, withOpen, chargerId, site, after, limit: pageRows })
    const { rows } = await db.query<SessionRow>(query)
    yield rows
    if (rows.length < pageRows) return
    const { endedUs, startedUs, chargerId: id } = rows.at(-1)!
    after = { endedUs: endedUs === null ? undefined : Number(endedUs), startedUs: Number(startedUs), chargerId: id }
  }
}

interface ReadingRow {
  readonly charger: ListedCharger
  readonly values: ReadingsRow
}

export function readingsSource(request: ExportRequest): Source<ReadingRow> {
  const { zones, mayReadCards } = request
  return {
    columns: [
      { header: 'Charger', key: 'charger', csv: ({ charger }) => charger.name },
      {
        header: 'Time',
        key: 'time',
        csv: ({ charger, values }) => zones.of(charger.timeZone).format(parseTime(values[0] as string)!)
      },
      ...valueSpecs.map(({ name, unit, column }, at): Column<ReadingRow> => {
        const field = ({ values }: ReadingRow): string | number | null => values[at + 1]!
        const value: typeof field =
          column === 'connected_vehicle' && !mayReadCards ? row => field(row) && hiddenCard : field
        return unit === 'A' || unit === ''
          ? { header: headerOf(name, unit), key: name, csv: value }
          : { header: headerOf(name, `k${unit}`), key: name, csv: row => kilo(value(row) as number), json: value }
      })
    ],
    pages: () => readingPages(request)
  }
}

/** For example `PowerOutput` and `W` give `Power output (W)`. */
function headerOf(name: string, unit: string): string {
  const words = name.replaceAll(/\B[A-Z]/g, letter => ` ${letter.toLowerCase()}`)
  return unit === '' ? words : `${words} (${unit})`
}

const windowUs = 7 * 86_400_000_000

/** Reads in windows of some days. A query over a whole year would open every day of the year again for each page. */
async function* readingPages({
  db,
  within,
  chargers,
  zones,
  nowMs,
  pageRows
}: ExportRequest): AsyncGenerator<ReadingRow[]> {
  for (const charger of chargers) {
    const zone = zones.of(charger.timeZone)
    const endUs = Math.min(momentOf(within.to, zone), (nowMs + 86_400_000) * 1000)
    let fromUs = momentOf(within.from, zone)
    let held: Awaited<ReturnType<typeof rawReadings>>['held'] | undefined
    while (fromUs < endUs) {
      const toUs = Math.min(fromUs + windowUs, endUs)
      const page = await rawReadings(db, { chargerId: charger.id, fromUs, toUs }, pageRows, undefined, held)
      held = page.held
      fromUs = page.rows.length < pageRows ? toUs : page.lastUs! + 1
      if (page.rows.length > 0) yield page.rows.map(values => ({ charger, values }))
    }
  }
}

export function energySource(request: ExportRequest): Source<BucketEnergy> {
  const { zones, resolution, nowMs } = request
  const mean = (row: BucketEnergy): number | null => {
    const startMs = Number(row.timeUs) / 1000
    return meanPower(row.energyWh, startMs, bucketEnd(startMs, resolution, zones.of(row.timeZone)), nowMs)
  }
  return {
    columns: [
      { header: 'Charger', key: 'charger', csv: row => row.charger },
      { header: 'Site', key: 'site', csv: row => row.site },
      { header: 'Time', key: 'time', csv: row => zones.of(row.timeZone).format(Number(row.timeUs)) },
      { header: 'Time zone', key: 'timeZone', csv: row => row.timeZone },
      { header: 'Energy (kWh)', key: 'energyWh', csv: row => kilo(row.energyWh), json: row => row.energyWh },
      { header: 'Mean power (kW)', key: 'powerMeanW', csv: row => kilo(mean(row)), json: mean },
      { header: 'Peak power (kW)', key: 'powerMaxW', csv: row => kilo(row.powerMaxW), json: row => row.powerMaxW }
    ],
    pages: () => energyPages(request)
  }
}

async function* energyPages(request: ExportRequest): AsyncGenerator<BucketEnergy[]> {
  const plan = { ...request, bucketsMax: request.pageRows, quartersMax: energyQuartersMax }
  for (let after: EnergyKey | undefined; ; ) {
    const { asked, last } = energyPage(plan, after)
    if (asked.length > 0) yield (await request.db.query<BucketEnergy>(energyQuery(asked, request.resolution))).rows
    if (last === undefined) return
    after = last
  }
}

interface MonthLine {
  readonly id: number
  readonly line: number
  readonly site: string
  readonly timeZone: string
  readonly month: string
  readonly kind: string
  readonly ofMonth: string
  readonly charger: string
  readonly startedUs: string
  readonly endedUs: string | null
  readonly vehicle: string
  readonly energyWh: number
  readonly amount: number | null
  readonly currency: string | null
  readonly sha256: string
}

/** The lines of the closed months: what was billed. These lines do not change. */
export function monthSource(request: ExportRequest): Source<MonthLine> {
  const { zones, mayReadCards } = request
  const time = (us: string | null, row: MonthLine): string | null =>
    us === null ? null : zones.of(row.timeZone).format(Number(us))
  return {
    columns: [
      { header: 'Site', key: 'site', csv: row => row.site },
      { header: 'Month', key: 'month', csv: row => row.month },
      { header: 'Kind', key: 'kind', csv: row => row.kind },
      { header: 'Of month', key: 'ofMonth', csv: row => row.ofMonth },
      { header: 'Charger', key: 'charger', csv: row => row.charger },
      { header: 'Started', key: 'startedAt', csv: row => time(row.startedUs, row) },
      { header: 'Ended', key: 'endedAt', csv: row => time(row.endedUs, row) },
      { header: 'Card', key: 'vehicle', csv: row => (mayReadCards || row.vehicle === '' ? row.vehicle : hiddenCard) },
      { header: 'Energy (kWh)', key: 'energyWh', csv: row => kilo(row.energyWh), json: row => row.energyWh },
      { header: 'Amount', key: 'amount', csv: row => row.amount },
      { header: 'Currency', key: 'currency', csv: row => row.currency },
      { header: 'Statement (SHA-256)', key: 'sha256', csv: row => row.sha256 }
    ],
    pages: () => monthPages(request)
  }
}

async function* monthPages({
  db,
  within,
  chargers,
  chargerId,
  site,
  zones,
  pageRows
}: ExportRequest): AsyncGenerator<MonthLine[]> {
  const utc = zones.of('UTC')
  const dayOf = (bound: Within['from']): string =>
    'day' in bound ? bound.day : formatTime(momentOf(bound, utc)).slice(0, 10)
  const charger = chargerId === undefined ? null : (chargers[0]?.name ?? '')
  for (let after = { id: 0, line: 0 }; ; ) {
    const { rows } = await db.query<MonthLine>(
      `SELECT s.id, line, s.site, coalesce(sites.time_zone, 'UTC') AS "timeZone", to_char(month, 'YYYY-MM') AS month, kind,
         to_char(of_month, 'YYYY-MM') AS "ofMonth", charger, ${microsecondsOf('started_at')} AS "startedUs",
         ${microsecondsOf('ended_at')} AS "endedUs", vehicle, energy_wh::double precision AS "energyWh",
         amount::double precision AS amount, currency, sha256
       FROM month_lines l JOIN month_statements s ON s.id = statement_id LEFT JOIN sites ON sites.name = s.site
       WHERE month >= $1::date AND month < $2::date AND ($3::text IS NULL OR charger = $3) AND ($4::text IS NULL OR s.site = $4)
         AND (s.id, line) > ($5, $6)
       ORDER BY s.id, line LIMIT $7`,
      [dayOf(within.from), dayOf(within.to), charger, site ?? null, after.id, after.line, pageRows]
    )
    yield rows
    if (rows.length < pageRows) return
    after = rows.at(-1)!
  }
}
