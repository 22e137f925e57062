// Shows charging sessions as a table, and sums of sessions as a table.

import type { ChargingSession } from '../../model/api/api.ts'
import type { SessionSum } from '../data/sessionSums.ts'
import { dayAndTime, duration, formatNumber, kilowattHours, kilowatts, money, unknownText } from '../format.ts'
import { chargerPath } from '../routing.ts'
import { shownVehicle } from './fleetTable.tsx'

interface SessionsTableProps {
  readonly sessions: readonly ChargingSession[]
  /** Returns the time zone of the charger's site. */
  readonly zoneOf: (charger: string) => string
  readonly withCharger?: boolean
}

export function SessionsTable({ sessions, zoneOf, withCharger = true }: SessionsTableProps) {
  const withCosts = sessions.some(({ costAmount }) => costAmount !== null)
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label="Charging sessions">
      <table class="list">
        <thead>
          <tr>
            <th scope="col">Start</th>
            {withCharger && <th scope="col">Charger</th>}
            <th scope="col" class="number">
              Energy kWh
            </th>
            <th scope="col">Duration</th>
            <th scope="col">Vehicle</th>
            <th scope="col" class="number">
              Peak kW
            </th>
            {withCosts && (
              <th scope="col" class="number">
                Cost
              </th>
            )}
            <th scope="col">Notes</th>
          </tr>
        </thead>
        <tbody>
          {sessions.map(session => (
            <tr key={`${session.charger}/${session.startedAt}`}>
              <td>{dayAndTime(session.startedAt, zoneOf(session.charger))}</td>
              {withCharger && (
                <td>
                  <a href={chargerPath(session.charger)}>{session.charger}</a>
                </td>
              )}
              <td class="number">{kilowattHours(session.energyWh)}</td>
              <td>
                {session.endedAt === null
                  ? 'charging'
                  : duration(Date.parse(session.endedAt) - Date.parse(session.startedAt))}
              </td>
              <td>{session.vehicle === '' ? unknownText : shownVehicle(session.vehicle)}</td>
              <td class="number">{kilowatts(session.peakPowerW)}</td>
              {withCosts && <td class="number">{money(session.costAmount, session.currency)}</td>}
              <td class="quiet">{notesOf(session)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}

const notesOf = ({ endedAt, interruptions, estimated }: ChargingSession): string =>
  [
    endedAt === null && 'open',
    interruptions > 0 && `${formatNumber(interruptions)} ${interruptions === 1 ? 'interruption' : 'interruptions'}`,
    estimated && 'estimated'
  ]
    .filter(Boolean)
    .join(', ')

interface SumsTableProps {
  readonly sums: readonly SessionSum[]
  readonly by: 'charger' | 'vehicle'
}

export function SumsTable({ sums, by }: SumsTableProps) {
  const withCosts = sums.some(({ costs }) => costs.size > 0)
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={`Sums by ${by}`}>
      <table class="list">
        <thead>
          <tr>
            <th scope="col">{by === 'charger' ? 'Charger' : 'Vehicle'}</th>
            <th scope="col" class="number">
              Sessions
            </th>
            <th scope="col" class="number">
              Energy kWh
            </th>
            {withCosts && (
              <th scope="col" class="number">
                Cost
              </th>
            )}
          </tr>
        </thead>
        <tbody>
          {sums.map(({ key, sessions, energyWh, costs }) => (
            <tr key={key}>
              <th scope="row">{by === 'charger' ? <a href={chargerPath(key)}>{key}</a> : vehicleWord(key)}</th>
              <td class="number">{formatNumber(sessions)}</td>
              <td class="number">{kilowattHours(energyWh)}</td>
              {withCosts && <td class="number">{costsText(costs)}</td>}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}

export const vehicleWord = (vehicle: string): string =>
  vehicle === '' ? 'No vehicle known' : /^\*+$/.test(vehicle) ? 'Vehicles (ids are for billing only)' : vehicle

export const costsText = (costs: ReadonlyMap<string, number>): string =>
  costs.size === 0 ? unknownText : [...costs].map(([currency, amount]) => money(amount, currency || null)).join(' + ')
