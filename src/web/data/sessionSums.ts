// Sums charging sessions: over all sessions, by charger, or by vehicle. Costs are summed by currency. An open session
// counts with its energy so far. Pure.

import type { ChargingSession } from '../../model/api/api.ts'
import { compareNames } from './fleetList.ts'

export interface SessionSum {
  readonly key: string
  readonly sessions: number
  readonly energyWh: number
  /** The total cost by currency, over the sessions that have a cost. */
  readonly costs: ReadonlyMap<string, number>
}

export function sumOf(sessions: readonly ChargingSession[], key = ''): SessionSum {
  const costs = new Map<string, number>()
  let energyWh = 0
  for (const session of sessions) {
    energyWh += session.energyWh ?? 0
    if (session.costAmount !== null) {
      const currency = session.currency ?? ''
      costs.set(currency, (costs.get(currency) ?? 0) + session.costAmount)
    }
  }
  return { key, sessions: sessions.length, energyWh, costs }
}

/** The sums by charger or by vehicle. The largest energy comes first. */
export function sumsBy(sessions: readonly ChargingSession[], by: 'charger' | 'vehicle'): SessionSum[] {
  return [...Map.groupBy(sessions, session => session[by])]
    .map(([key, group]) => sumOf(group, key))
    .sort((a, b) => b.energyWh - a.energyWh || compareNames(a.key, b.key))
}
