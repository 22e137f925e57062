// The readings of one charger over time: as stored, or by minute, quarter hour, hour and day of its site. A page is
// bounded in rows and in the raw rows behind them; `next` leads to the next page.

import {
  bucketBounds,
  bucketColumns,
  bucketReadings,
  type Row,
  rawColumns,
  rawReadings
} from '../../../history/query/readings.ts'
import { Zone } from '../../../history/zone.ts'
import type { ReadingsAnswer } from '../../../model/api/api.ts'
import { formatTime, parseTime } from '../../../model/wire/envelope.ts'
import type { Caller } from '../../access/access.ts'
import { masked } from '../../access/mask.ts'
import { readingsAnswer } from './answers.ts'
import { type FleetParts, noCharger } from './chargers.ts'
import { endpoint, type ReadPool } from './endpoint.ts'
import { bucketDaysMax, bucketsPageMax, readingsPageDefault, readingsPageMax } from './limits.ts'
import { chargerInPath, limitOf, moment, oneOfOr } from './parameters.ts'
import { type Range, rangeOf, rangeParameters } from './ranges.ts'

const dayMs = 86_400_000
const resolutions = ['raw', '1m', '15m', '1h', '1d'] as const

export const readings = endpoint({
  path: '/api/v1/chargers/{name}/readings',
  needs: 'viewer',
  summary:
    'The readings of a charger by time, carried forward: what did not change is repeated, at most for a day. Means are ' +
    'weighted by time. Buckets are whole ones: the first holds `from`. Days are those of the charger’s site.',
  parameters: {
    name: chargerInPath,
    ...rangeParameters,
    resolution: oneOfOr(resolutions, 'raw', 'As stored, or a row per minute, quarter hour, hour or day'),
    after: moment('What follows this time: `next` of the answer before.'),
    limit: limitOf(readingsPageDefault, readingsPageMax)
  },
  answers: readingsAnswer,
  async run(
    { registry, db }: FleetParts & { readonly db: ReadPool },
    { caller, values: { name, from, to, resolution, after, limit } }
  ): Promise<ReadingsAnswer> {
    const charger = (await registry.chargers()).get(name)
    if (charger === undefined) throw noCharger(name)
    const zone = new Zone(charger.timeZone)
    const range = rangeOf({ from, to }, zone, dayMs)
    const afterUs = after === undefined ? undefined : parseTime(after)
    const page =
      resolution === 'raw'
        ? await rawPage(db, charger.id, range, limit, afterUs)
        : await bucketPage(db, charger.id, range, { resolution, zone, limit, afterUs })
    const columns = resolution === 'raw' ? rawColumns : bucketColumns
    return {
      charger: name,
      from: formatTime(range.fromUs),
      to: formatTime(range.toUs),
      resolution,
      timeZone: zone.name,
      columns,
      rows: maskedRows(caller, page.rows, columns),
      ...(page.next !== undefined && { next: page.next })
    }
  }
})

interface PageOfRows {
  readonly rows: readonly Row[]
  readonly next?: string
}

async function rawPage(
  db: ReadPool,
  chargerId: number,
  range: Range,
  limit: number,
  afterUs: number | undefined
): Promise<PageOfRows> {
  const { rows, lastUs } = await rawReadings(db, { chargerId, ...range }, limit, afterUs)
  return rows.length === limit && lastUs! + 1 < range.toUs ? { rows, next: formatTime(lastUs!) } : { rows }
}

async function bucketPage(
  db: ReadPool,
  chargerId: number,
  { fromUs, toUs }: Range,
  options: { resolution: '1m' | '15m' | '1h' | '1d'; zone: Zone; limit: number; afterUs: number | undefined }
): Promise<PageOfRows> {
  const { resolution, zone, limit, afterUs } = options
  const nowMs = Date.now()
  const untilUs = Math.min(toUs, nowMs * 1000)
  const most = Math.min(limit, bucketsPageMax, resolution === '1d' ? bucketDaysMax : Number.POSITIVE_INFINITY)
  // The bucket of `after` is known: reads one more, and takes that one off.
  const startUs = afterUs === undefined ? fromUs : Math.max(fromUs, afterUs)
  if (startUs >= untilUs) return { rows: [] }
  const skipped = afterUs !== undefined && afterUs >= fromUs ? 1 : 0
  const bounds = bucketBounds({ fromUs: startUs, toUs: untilUs }, resolution, zone, most + skipped).slice(skipped)
  if (bounds.length < 2) return { rows: [] }
  const rows = await bucketReadings(db, chargerId, bounds, nowMs)
  const isMore = bounds.at(-1)! * 1000 < untilUs && rows.length > 0
  return isMore ? { rows, next: rows.at(-1)![0] as string } : { rows }
}

function maskedRows(caller: Caller, rows: readonly Row[], columns: readonly string[]): readonly Row[] {
  const at = columns.findIndex(column => column === 'ConnectedVehicle' || column === 'vehicle')
  return rows.map(row => row.with(at, row[at] === null ? null : masked(caller, 'ConnectedVehicle', row[at]!)))
}
