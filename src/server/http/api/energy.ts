// Energy by quarter hour, hour, day or month, a page at a time. A page holds some chargers over the whole range, or one
// charger over a part of it.

import {
  type BucketEnergy,
  bucketEnd,
  type EnergyKey,
  type EnergyResolution,
  energyPage,
  energyQuery,
  energyResolutions,
  meanPower
} from '../../../history/query/energy.ts'
import { energyQuartersMax, energyRowsDefault, energyRowsMax } from '../../../history/query/limits.ts'
import type { Zones } from '../../../history/zone.ts'
import type { EnergyAnswer, EnergyRow } from '../../../model/api/api.ts'
import { formatTime, parseTime } from '../../../model/wire/envelope.ts'
import { energyAnswer } from './answers.ts'
import { chargersOf, type FleetParts } from './chargers.ts'
import { endpoint, type ReadPool, wrongParameter } from './endpoint.ts'
import { charger, limitOf, oneOfOr, text } from './parameters.ts'
import { boundText, rangeParameters, withinOf } from './ranges.ts'

const weekMs = 7 * 86_400_000

export const energy = endpoint({
  path: '/api/v1/energy',
  needs: 'viewer',
  summary:
    'Energy, mean and most power by charger and bucket, from the lifetime counters. Buckets are whole ones: the first holds ' +
    '`from`; days and months are those of each charger’s site. A bucket in which a charger said nothing is left out.',
  parameters: {
    ...rangeParameters,
    resolution: oneOfOr(energyResolutions, '1d', 'Quarter hours, hours, days or months'),
    charger,
    site: text('Of the chargers of this site, by its name.'),
    after: text('What follows: `next` of the answer before.', 160),
    limit: limitOf(energyRowsDefault, energyRowsMax)
  },
  answers: energyAnswer,
  async run(
    parts: FleetParts & { readonly db: ReadPool },
    { values: { from, to, resolution, charger, site, after, limit } }
  ): Promise<EnergyAnswer> {
    const within = withinOf({ from, to }, weekMs)
    const chargers = await chargersOf(parts, charger, site)
    const { zones } = parts.registry
    const plan = { chargers, within, resolution, nowMs: Date.now(), zones, ...pageBounds(limit) }
    const { asked, last } = energyPage(plan, after === undefined ? undefined : keyOf(after))
    const { rows } =
      asked.length > 0 ? await parts.db.query<BucketEnergy>(energyQuery(asked, resolution)) : { rows: [] }
    return {
      from: boundText(within.from),
      to: boundText(within.to),
      resolution,
      energy: rows.map(row => rowOf(row, resolution, zones, plan.nowMs)),
      ...(last !== undefined && { next: `${last.charger}/${formatTime(last.ms * 1000)}` })
    }
  }
})

const pageBounds = (limit: number) => ({ bucketsMax: limit, quartersMax: energyQuartersMax })

function rowOf(row: BucketEnergy, resolution: EnergyResolution, zones: Zones, nowMs: number): EnergyRow {
  const startMs = Number(row.timeUs) / 1000
  const endMs = bucketEnd(startMs, resolution, zones.of(row.timeZone))
  return {
    charger: row.charger,
    time: formatTime(startMs * 1000),
    energyWh: row.energyWh,
    powerMeanW: meanPower(row.energyWh, startMs, endMs, nowMs),
    powerMaxW: row.powerMaxW
  }
}

function keyOf(token: string): EnergyKey {
  const slash = token.lastIndexOf('/')
  const timeUs = parseTime(token.slice(slash + 1))
  if (slash > 0 && timeUs !== undefined) return { charger: token.slice(0, slash), ms: Math.floor(timeUs / 1000) }
  throw wrongParameter('after', '`next` of the answer before', JSON.stringify(token))
}
