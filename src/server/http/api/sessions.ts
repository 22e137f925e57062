// Charging sessions, a page at a time.

import { type SessionKey, type SessionRow, sessionsQuery } from '../../../history/query/sessionList.ts'
import { momentOf } from '../../../history/query/within.ts'
import type { ChargingSession, SessionsAnswer } from '../../../model/api/api.ts'
import { formatTime } from '../../../model/wire/envelope.ts'
import type { Caller } from '../../access/access.ts'
import { masked } from '../../access/mask.ts'
import { sessionsAnswer } from './answers.ts'
import { chargersOf, type FleetParts } from './chargers.ts'
import { endpoint, type ReadPool, wrongParameter } from './endpoint.ts'
import { sessionsPageDefault, sessionsPageMax } from './limits.ts'
import { charger, limitOf, text } from './parameters.ts'
import { rangeParameters, withinOf } from './ranges.ts'

const monthMs = 31 * 86_400_000

export const sessions = endpoint({
  path: '/api/v1/sessions',
  needs: 'viewer',
  summary:
    'Charging sessions that ended from `from` on and before `to` (days are those of each charger’s site) and, where that ' +
    'reaches the present, those that are open. Open ones first, then the newest end first. Card ids need the role billing.',
  parameters: {
    ...rangeParameters,
    charger,
    site: text('Of the chargers of this site, by its name.'),
    after: text('What follows: `next` of the answer before.'),
    limit: limitOf(sessionsPageDefault, sessionsPageMax)
  },
  answers: sessionsAnswer,
  async run(
    parts: FleetParts & { readonly db: ReadPool },
    { caller, values: { from, to, charger, site, after, limit } }
  ): Promise<SessionsAnswer> {
    const within = withinOf({ from, to }, monthMs)
    const query = sessionsQuery({
      within,
      withOpen: to === undefined || momentOf(within.to, parts.registry.zones.of('UTC')) > Date.now() * 1000,
      chargerId: charger === undefined ? undefined : ((await chargersOf(parts, charger, site))[0]?.id ?? -1),
      site,
      after: after === undefined ? undefined : keyOf(after),
      limit: limit + 1
    })
    const { rows } = await parts.db.query<SessionRow>(query)
    const page = rows.slice(0, limit)
    const next = rows.length > limit ? tokenOf(page.at(-1)!) : undefined
    return { sessions: page.map(row => sessionOf(row, caller)), ...(next !== undefined && { next }) }
  }
})

const sessionOf = (row: SessionRow, caller: Caller): ChargingSession => ({
  charger: row.charger,
  startedAt: formatTime(Number(row.startedUs)),
  endedAt: row.endedUs === null ? null : formatTime(Number(row.endedUs)),
  energyWh: row.energyWh,
  peakPowerW: row.peakPowerW,
  vehicle: masked(caller, 'ConnectedVehicle', row.vehicle) as string,
  interruptions: row.interruptions,
  meterStartWh: row.meterStartWh,
  meterEndWh: row.meterEndWh,
  estimated: row.estimated,
  costAmount: row.costAmount,
  currency: row.currency
})

const tokenOf = ({ endedUs, startedUs, chargerId }: SessionRow): string =>
  `${endedUs ?? 'open'}.${startedUs}.${chargerId}`

function keyOf(token: string): SessionKey {
  const parts = /^(open|-?\d{1,17})\.(-?\d{1,17})\.(\d{1,10})$/.exec(token)
  if (parts === null) throw wrongParameter('after', '`next` of the answer before', JSON.stringify(token))
  const [, ended, started, chargerId] = parts
  return {
    endedUs: ended === 'open' ? undefined : Number(ended),
    startedUs: Number(started),
    chargerId: Number(chargerId)
  }
}
