// The sessions page: the charging sessions of a month, one by one, by charger or by vehicle, with their sums, and as a
// CSV file.

import { useEffect, useMemo, useState } from 'preact/hooks'
import type { ChargingSession, SessionsAnswer, Site, SitesAnswer } from '../../model/api/api.ts'
import { addressOf, ask } from '../data/ask.ts'
import { useAsk, useDashboard, useFleet } from '../data/dashboard.ts'
import { compareNames } from '../data/fleetList.ts'
import { sumOf, sumsBy } from '../data/sessionSums.ts'
import {
  formatNumber,
  kilowattHours,
  type Month,
  monthAt,
  monthKey,
  monthName,
  monthOfKey,
  plusMonths
} from '../format.ts'
import { Arrow } from '../parts/icons.tsx'
import { costsText, SessionsTable, SumsTable, vehicleWord } from '../parts/sessionsTable.tsx'
import { Tile } from '../parts/tile.tsx'
import { fromAddress, keepInAddress } from '../routing.ts'

const sessionsMax = 5_000
const sessionsPerPage = 1_000
const rowsAtOnce = 200
const monthsOffered = 36
const utc = 'UTC'

const views = { sessions: 'Sessions', charger: 'By charger', vehicle: 'By vehicle' } as const
type View = keyof typeof views

interface Settings {
  readonly month: Month
  readonly site: string
  readonly charger: string
  readonly vehicle: string
  readonly view: View
}

export function SessionsPage() {
  const { live } = useDashboard()
  const sites = useAsk('sites', signal => ask<SitesAnswer>('/api/v1/sites', {}, signal)).answer?.sites ?? []
  const [settings, setSettings] = useState<Settings>(() => settingsOfAddress(live.now()))
  const change = (changed: Partial<Settings>): void => setSettings(before => ({ ...before, ...changed }))
  const zoneOf = useZones(sites)
  const query = queryOf(settings)
  const { answer, fault } = useAsk(JSON.stringify(query), signal => load(query, signal))
  useEffect(() => {
    document.title = 'Sessions · chargelift'
  }, [])
  useEffect(() => keepInAddress(addressSettings(settings)), [settings])
  const sessions = useMemo(
    () => (answer?.sessions ?? []).filter(({ vehicle }) => settings.vehicle === '' || vehicle === settings.vehicle),
    [answer, settings.vehicle]
  )
  const vehicles = useMemo(
    () => [...new Set((answer?.sessions ?? []).map(({ vehicle }) => vehicle))].filter(Boolean).sort(compareNames),
    [answer]
  )

  return (
    <>
      <div class="page-head">
        <div>
          <h1>Sessions</h1>
          <p class="quiet">{zonesText(sites, settings.site)}</p>
        </div>
        <a class="button button-main" href={addressOf('/api/v1/export/sessions', { ...query, format: 'csv' })} download>
          Download CSV
        </a>
      </div>
      <Choices settings={settings} change={change} sites={sites} vehicles={vehicles} now={live.now()} />
      {fault !== undefined && (
        <p class="fault" role="alert">
          The sessions could not be loaded: {fault}
        </p>
      )}
      <Sum sessions={sessions} isLoaded={answer !== undefined} />
      {answer?.isCut && (
        <p class="banner tone-notice" role="status">
          <span class="dot" aria-hidden="true" />
          Shown and summed are the newest {formatNumber(sessionsMax)} sessions. Choose a site or a charger to see all of
          them; the CSV file has all.
        </p>
      )}
      <section class="card">
        <div class="card-head">
          <div class="segments" role="group" aria-label="How sessions are shown">
            {Object.entries(views).map(([view, word]) => (
              <button
                key={view}
                type="button"
                class="segment"
                aria-pressed={settings.view === view}
                onClick={() => change({ view: view as View })}
              >
                {word}
              </button>
            ))}
          </div>
        </div>
        <List sessions={sessions} view={settings.view} isLoaded={answer !== undefined} zoneOf={zoneOf} />
      </section>
    </>
  )
}

interface ChoicesProps {
  readonly settings: Settings
  readonly change: (changed: Partial<Settings>) => void
  readonly sites: readonly Site[]
  readonly vehicles: readonly string[]
  readonly now: number
}

function Choices({ settings, change, sites, vehicles, now }: ChoicesProps) {
  const fleet = useFleet()
  const { membership } = fleet.revision
  const chargers = useMemo(() => [...fleet.chargers.keys()].sort(compareNames), [fleet, membership])
  const chosen = settings.vehicle === '' ? [] : [settings.vehicle]
  return (
    <div class="choices">
      <MonthChoice
        month={settings.month}
        newest={monthAt(now, sites[0]?.timeZone ?? utc)}
        choose={month => change({ month })}
      />
      <Choice
        label="Site"
        all="All sites"
        chosen={settings.site}
        choose={site => change({ site })}
        options={sites.map(({ name }) => [name, name])}
      />
      <input
        class="field"
        type="search"
        list="charger-names"
        aria-label="Charger"
        placeholder="All chargers"
        value={settings.charger}
        onChange={event => change({ charger: event.currentTarget.value.trim() })}
      />
      <datalist id="charger-names">
        {chargers.slice(0, 500).map(name => (
          <option key={name} value={name} />
        ))}
      </datalist>
      <Choice
        label="Vehicle"
        all="All vehicles"
        chosen={settings.vehicle}
        choose={vehicle => change({ vehicle })}
        options={[...new Set([...vehicles, ...chosen])].map(vehicle => [vehicle, vehicleWord(vehicle)])}
      />
    </div>
  )
}

interface MonthChoiceProps {
  readonly month: Month
  readonly newest: Month
  readonly choose: (month: Month) => void
}

function MonthChoice({ month, newest, choose }: MonthChoiceProps) {
  const offered = Array.from({ length: monthsOffered }, (_, back) => plusMonths(newest, -back))
  const months = offered.some(other => monthKey(other) === monthKey(month)) ? offered : [...offered, month]
  return (
    <div class="month" role="group" aria-label="Month">
      <button
        type="button"
        class="button button-square"
        aria-label="Month before"
        onClick={() => choose(plusMonths(month, -1))}
      >
        <Arrow direction="left" />
      </button>
      <select
        class="field"
        aria-label="Month"
        value={monthKey(month)}
        onChange={event => choose(monthOfKey(event.currentTarget.value) ?? newest)}
      >
        {months.map(other => (
          <option key={monthKey(other)} value={monthKey(other)}>
            {monthName(other)}
          </option>
        ))}
      </select>
      <button
        type="button"
        class="button button-square"
        aria-label="Month after"
        disabled={monthKey(month) >= monthKey(newest)}
        onClick={() => choose(plusMonths(month, 1))}
      >
        <Arrow direction="right" />
      </button>
    </div>
  )
}

interface ChoiceProps {
  readonly label: string
  /** The text of the option that selects everything. */
  readonly all: string
  /** The selected value. Empty when nothing is selected. */
  readonly chosen: string
  readonly choose: (value: string) => void
  /** Pairs of a value and its text. */
  readonly options: readonly (readonly [value: string, word: string])[]
}

const Choice = ({ label, all, chosen, choose, options }: ChoiceProps) => (
  <select class="field" aria-label={label} value={chosen} onChange={event => choose(event.currentTarget.value)}>
    <option value="">{all}</option>
    {options.map(([value, word]) => (
      <option key={value} value={value}>
        {word}
      </option>
    ))}
  </select>
)

function Sum({ sessions, isLoaded }: { sessions: readonly ChargingSession[]; isLoaded: boolean }) {
  const sum = useMemo(() => sumOf(sessions), [sessions])
  const dash = (text: string): string => (isLoaded ? text : '–')
  const mean = sum.sessions === 0 ? null : sum.energyWh / sum.sessions
  return (
    <dl class="tiles">
      <Tile name="sessions" word="Sessions" value={dash(formatNumber(sum.sessions))} />
      <Tile name="energy" word="Energy" value={dash(kilowattHours(sum.energyWh))} unit="kWh" />
      <Tile name="mean" word="Per session" value={dash(kilowattHours(mean))} unit="kWh" />
      <Tile name="cost" word="Cost" value={costsText(sum.costs)} />
    </dl>
  )
}

interface ListProps {
  readonly sessions: readonly ChargingSession[]
  readonly view: View
  readonly isLoaded: boolean
  readonly zoneOf: (charger: string) => string
}

function List({ sessions, view, isLoaded, zoneOf }: ListProps) {
  const [shown, setShown] = useState(rowsAtOnce)
  useEffect(() => setShown(rowsAtOnce), [sessions, view])
  if (sessions.length === 0)
    return (
      <p key="empty" class="empty">
        {isLoaded ? 'No session in this month.' : 'Loading …'}
      </p>
    )
  const sums = view === 'sessions' ? [] : sumsBy(sessions, view)
  const count = view === 'sessions' ? sessions.length : sums.length
  return (
    <>
      {view === 'sessions' ? (
        <SessionsTable sessions={sessions.slice(0, shown)} zoneOf={zoneOf} />
      ) : (
        <SumsTable sums={sums.slice(0, shown)} by={view} />
      )}
      {count > shown && (
        <p key="more" class="more">
          <button type="button" class="button" onClick={() => setShown(shown + rowsAtOnce)}>
            Show more ({formatNumber(count - shown)} left)
          </button>
        </p>
      )}
    </>
  )
}

/** Finds the time zone of a charger. A charger without a site uses UTC. */
function useZones(sites: readonly Site[]): (charger: string) => string {
  const { fleet } = useDashboard()
  return charger => sites.find(({ name }) => name === fleet.chargers.get(charger)?.site)?.timeZone ?? utc
}

type SessionsQuery = Readonly<Record<'from' | 'to' | 'site' | 'charger', string>>

const queryOf = ({ month, site, charger }: Settings): SessionsQuery => ({
  from: `${monthKey(month)}-01`,
  to: `${monthKey(plusMonths(month, 1))}-01`,
  site,
  charger
})

async function load(query: SessionsQuery, signal: AbortSignal) {
  const sessions: ChargingSession[] = []
  let after: string | undefined
  do {
    const answer: SessionsAnswer = await ask('/api/v1/sessions', { ...query, limit: sessionsPerPage, after }, signal)
    sessions.push(...answer.sessions)
    after = answer.next
  } while (after !== undefined && sessions.length < sessionsMax)
  return { sessions, isCut: after !== undefined }
}

/** The sentence that explains the time zones. Months and days follow the time zone of each charger's site. */
function zonesText(sites: readonly Site[], name: string): string {
  const wanted = name === '' ? sites : sites.filter(site => site.name === name)
  const zones = [...new Set(wanted.map(({ timeZone }) => timeZone))]
  if (zones.length > 1) return `Months and times as at each charger's site: ${zones.join(', ')}`
  return `Months and times in ${zones[0] ?? utc}`
}

function settingsOfAddress(now: number): Settings {
  const view = fromAddress('view')
  return {
    month: monthOfKey(fromAddress('month')) ?? monthAt(now, utc),
    site: fromAddress('site'),
    charger: fromAddress('charger'),
    vehicle: fromAddress('vehicle'),
    view: Object.hasOwn(views, view) ? (view as View) : 'sessions'
  }
}

const addressSettings = ({ month, site, charger, vehicle, view }: Settings): Record<string, string> => ({
  month: monthKey(month),
  site,
  charger,
  vehicle,
  view: view === 'sessions' ? '' : view
})
