// Search, state and problem filters of the fleet. Each state and problem shows its number of chargers. On a phone there
// is also a field for the sort order. On wide screens the column heads choose the sort order.

import type { ProblemCondition } from '../../model/api/api.ts'
import type { FleetList, ListSettings, SortKey } from '../data/fleetList.ts'
import { formatNumber } from '../format.ts'
import { problemNames, problemWord, shownState, stateNames } from '../states.ts'

export const columnWords: Readonly<Record<SortKey, string>> = {
  name: 'Charger',
  state: 'State',
  power: 'Power',
  energy: 'Today',
  limit: 'Limit',
  vehicle: 'Vehicle',
  age: 'Last sample',
  connection: 'Connection'
}

interface FleetFiltersProps {
  readonly list: FleetList
  readonly settings: ListSettings
  readonly change: (changed: Partial<ListSettings>) => void
  readonly isNarrow: boolean
}

export function FleetFilters({ list, settings, change, isNarrow }: FleetFiltersProps) {
  return (
    <search class="filters">
      <div class="filters-line">
        <input
          class="field search"
          type="search"
          aria-label="Search chargers"
          placeholder="Search name, site, serial, vehicle"
          value={settings.search}
          onInput={event => change({ search: event.currentTarget.value.trimStart() })}
        />
        <select
          class="field"
          aria-label="Filter by problem"
          value={settings.problem}
          onChange={event => change({ problem: event.currentTarget.value as ListSettings['problem'] })}
        >
          <option value="">All chargers</option>
          <option value="any">With problems ({formatNumber(list.withProblems)})</option>
          {problemNames
            .filter(name => list.countByProblem.has(name) || settings.problem === name)
            .map((name: ProblemCondition) => (
              <option key={name} value={name}>
                {problemWord(name)} ({formatNumber(list.countByProblem.get(name) ?? 0)})
              </option>
            ))}
        </select>
        {isNarrow && <SortField settings={settings} change={change} />}
      </div>
      <div class="chips" role="group" aria-label="Filter by state">
        <Chip word="All" count={list.found} isPressed={settings.state === ''} press={() => change({ state: '' })} />
        {stateNames.map(name => (
          <Chip
            key={name}
            word={shownState(name).word}
            tone={shownState(name).tone}
            count={list.countByState.get(name) ?? 0}
            isPressed={settings.state === name}
            press={() => change({ state: settings.state === name ? '' : name })}
          />
        ))}
      </div>
    </search>
  )
}

interface ChipProps {
  readonly word: string
  readonly count: number
  readonly tone?: string
  readonly isPressed: boolean
  readonly press: () => void
}

const Chip = ({ word, count, tone, isPressed, press }: ChipProps) => (
  <button type="button" class={`chip ${tone ? `tone-${tone}` : ''}`} aria-pressed={isPressed} onClick={press}>
    {tone !== undefined && <span class="dot" aria-hidden="true" />}
    {word} <span class="count">{formatNumber(count)}</span>
  </button>
)

function SortField({ settings, change }: Pick<FleetFiltersProps, 'settings' | 'change'>) {
  return (
    <span class="sort-field">
      <select
        class="field"
        aria-label="Sort by"
        value={settings.sort}
        onChange={event => change({ sort: event.currentTarget.value as SortKey })}
      >
        {Object.entries(columnWords).map(([key, word]) => (
          <option key={key} value={key}>
            By {word.toLowerCase()}
          </option>
        ))}
      </select>
      <button
        type="button"
        class="field"
        aria-pressed={settings.isDescending}
        onClick={() => change({ isDescending: !settings.isDescending })}
      >
        {settings.isDescending ? 'Z–A' : 'A–Z'}
        <span class="visually-hidden">{settings.isDescending ? ', descending' : ', ascending'}</span>
      </button>
    </span>
  )
}
