// The fleet page: all chargers with their current values. The address keeps search, filters and sorting.

import { useEffect, useMemo, useRef, useState } from 'preact/hooks'
import { useDashboard, useFleet, useMedia } from '../data/dashboard.ts'
import { compareNames, type FleetList, type ListSettings, listFleet, type Row, sortKeys } from '../data/fleetList.ts'
import type { FleetStore } from '../data/fleetStore.ts'
import { formatNumber, kilowattHours, kilowatts } from '../format.ts'
import { FleetFilters } from '../parts/fleetFilters.tsx'
import { FleetTable } from '../parts/fleetTable.tsx'
import { fromAddress, keepInAddress } from '../routing.ts'
import { problemNames, stateNames } from '../states.ts'

/** Rows change places no more often than this, so that a person can hit the row they aim at. */
const sortAgainMs = 1_000

export function FleetPage() {
  const { fault, isLoaded } = useDashboard()
  const fleet = useFleet()
  const [settings, setSettings] = useState(settingsOfAddress)
  const isNarrow = useMedia('(max-width: 1120px)')
  const list = useFleetList(fleet, settings)
  useEffect(() => {
    document.title = 'Fleet · chargelift'
  }, [])
  useEffect(() => keepInAddress(addressOf(settings)), [settings])
  const change = (changed: Partial<ListSettings>): void => setSettings(before => ({ ...before, ...changed }))

  return (
    <>
      <div class="page-head">
        <h1>Fleet</h1>
        <Summary list={list} isLoaded={isLoaded} />
      </div>
      <FleetFilters list={list} settings={settings} change={change} isNarrow={isNarrow} />
      {fault !== undefined && (
        <p class="fault" role="alert">
          The chargers could not be loaded: {fault}
        </p>
      )}
      <FleetTable names={list.names} fleet={fleet} settings={settings} change={change} isNarrow={isNarrow} />
      {list.names.length === 0 && fault === undefined && (
        <Nothing isLoaded={isLoaded} isEmpty={fleet.chargers.size === 0} />
      )}
    </>
  )
}

function Nothing({ isLoaded, isEmpty }: { isLoaded: boolean; isEmpty: boolean }) {
  if (!isLoaded) return <p class="empty">Loading chargers …</p>
  if (!isEmpty) return <p class="empty">No charger fits. Clear the search or the filters to see all.</p>
  return <p class="empty">No charger yet. One appears here with the first sample that its edge publishes.</p>
}

function Summary({ list, isLoaded }: { list: FleetList; isLoaded: boolean }) {
  const charging = list.countByState.get('charging') ?? 0
  const dash = (text: string): string => (isLoaded ? text : '–')
  return (
    <dl class="summary">
      <Figure word="Chargers" value={dash(formatNumber(list.found))} />
      <Figure word="Charging" value={dash(formatNumber(charging))} />
      <Figure word="Power" value={dash(kilowatts(list.powerW))} unit="kW" />
      <Figure word="Today" value={dash(kilowattHours(list.energyTodayWh))} unit="kWh" />
    </dl>
  )
}

const Figure = ({ word, value, unit }: { word: string; value: string; unit?: string }) => (
  <div class="figure">
    <dt>{word}</dt>
    <dd>
      {value}
      {unit !== undefined && <span class="unit"> {unit}</span>}
    </dd>
  </div>
)

/**
 * Computes the list at once when the settings or the chargers change. When only values change, computes it once a
 * second.
 */
function useFleetList(fleet: FleetStore, settings: ListSettings): FleetList {
  const [tick, setTick] = useState(0)
  const { membership } = fleet.revision
  const problemsRevision = fleet.problemsRevision
  useEffect(() => {
    const seen = { all: -1 }
    const timer = setInterval(() => {
      if (seen.all === fleet.revision.all) return
      seen.all = fleet.revision.all
      setTick(count => count + 1)
    }, sortAgainMs)
    return () => clearInterval(timer)
  }, [fleet])
  const order = useRef<{ membership: number; names: string[] }>({ membership: -1, names: [] })
  return useMemo(() => {
    if (order.current.membership !== membership) {
      order.current = { membership, names: [...fleet.chargers.keys()].sort(compareNames) }
    }
    const rows = order.current.names.flatMap((name): Row[] => {
      const charger = fleet.chargers.get(name)
      return charger === undefined ? [] : [{ charger, problems: fleet.conditionsOf(name) }]
    })
    return listFleet(rows, settings)
  }, [fleet, membership, problemsRevision, settings, tick])
}

function settingsOfAddress(): ListSettings {
  const oneOf = <Item extends string>(items: readonly Item[], name: string): Item | '' =>
    items.find(item => item === fromAddress(name)) ?? ''
  return {
    search: fromAddress('q'),
    state: oneOf(stateNames, 'state'),
    problem: oneOf([...problemNames, 'any'], 'problem'),
    sort: oneOf(sortKeys, 'sort') || 'name',
    isDescending: fromAddress('order') === 'descending'
  }
}

const addressOf = ({ search, state, problem, sort, isDescending }: ListSettings): Record<string, string> => ({
  q: search,
  state,
  problem,
  sort: sort === 'name' ? '' : sort,
  order: isDescending ? 'descending' : ''
})
