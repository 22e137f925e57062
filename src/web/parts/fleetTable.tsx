// The table of the fleet. The document holds only the visible rows and some rows beside them. All rows have the same
// height, and each row keeps its position in the whole table. A screen reader finds a table of all rows. Arrow keys
// move between rows.

import { useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks'
import type { ChargerSummary, ProblemCondition } from '../../model/api/api.ts'
import type { OperationState } from '../../model/wire/chargerState.ts'
import { useNow } from '../data/dashboard.ts'
import { type ListSettings, numberOf, operationState, type SortKey, vehicleOf } from '../data/fleetList.ts'
import type { FleetStore } from '../data/fleetStore.ts'
import { age, amperes, kilowattHours, kilowatts, unknownText } from '../format.ts'
import { chargerPath } from '../routing.ts'
import { shownState } from '../states.ts'
import { visibleRows } from '../visible.ts'
import { ConnectionMark, ProblemMarks, StateBadge } from './badges.tsx'
import { columnWords } from './fleetFilters.tsx'
import { Arrow } from './icons.tsx'

interface FleetTableProps {
  readonly names: readonly string[]
  readonly fleet: FleetStore
  readonly settings: ListSettings
  readonly change: (changed: Partial<ListSettings>) => void
  readonly isNarrow: boolean
}

/** Must be the same as --row-height in the style sheet. */
const rowHeights = { wide: 48, narrow: 96 }
const spareRows = 8

interface Column {
  readonly key: SortKey
  readonly unit?: string
}
const columns: readonly Column[] = [
  { key: 'name' },
  { key: 'state' },
  { key: 'power', unit: 'kW' },
  { key: 'energy', unit: 'kWh' },
  { key: 'limit', unit: 'A' },
  { key: 'vehicle' },
  { key: 'age' },
  { key: 'connection' }
]

export function FleetTable({ names, fleet, settings, change, isNarrow }: FleetTableProps) {
  const rowHeight = isNarrow ? rowHeights.narrow : rowHeights.wide
  const body = useRef<HTMLDivElement>(null)
  const { first, end } = useVisible(body, rowHeight, names.length)
  const now = useNow()
  return (
    <div
      class="table"
      role="table"
      aria-label="Chargers"
      aria-rowcount={names.length + 1}
      aria-colcount={columns.length + 1}
    >
      <div class="table-head" role="rowgroup">
        <div class="tr" role="row" aria-rowindex={1}>
          {columns.map(column => (
            <Head key={column.key} column={column} settings={settings} change={change} />
          ))}
          <div class="th" role="columnheader">
            Problems
          </div>
        </div>
      </div>
      <div
        class="table-body"
        role="rowgroup"
        ref={body}
        style={{ height: `${names.length * rowHeight}px` }}
        onKeyDown={event => moveFocus(event, names, body.current!, rowHeight)}
      >
        {names.slice(first, end).map((name, i) => {
          const charger = fleet.chargers.get(name)
          return charger === undefined ? null : (
            <FleetRow
              key={name}
              charger={charger}
              problems={fleet.conditionsOf(name)}
              index={first + i}
              top={(first + i) * rowHeight}
              now={now}
            />
          )
        })}
      </div>
    </div>
  )
}

interface HeadProps extends Pick<FleetTableProps, 'settings' | 'change'> {
  readonly column: Column
}

function Head({ column: { key, unit }, settings, change }: HeadProps) {
  const isSorted = settings.sort === key
  const press = (): void =>
    change({ sort: key, isDescending: isSorted ? !settings.isDescending : startsDescending(key) })
  return (
    <div
      class={`th c-${key}`}
      role="columnheader"
      aria-sort={isSorted ? (settings.isDescending ? 'descending' : 'ascending') : undefined}
    >
      <button type="button" class="th-button" onClick={press}>
        {columnWords[key]}
        {unit !== undefined && <span class="unit"> {unit}</span>}
        {isSorted && <Arrow direction={settings.isDescending ? 'down' : 'up'} />}
      </button>
    </div>
  )
}

/** The first click on power, energy or limit sorts by the largest value. */
const startsDescending = (key: SortKey): boolean => key === 'power' || key === 'energy' || key === 'limit'

interface FleetRowProps {
  readonly charger: ChargerSummary
  readonly problems: readonly ProblemCondition[]
  readonly index: number
  readonly top: number
  readonly now: number
}

/** Renders a row again only when its content has changed. Scrolling therefore does not render the rows that stay. */
function FleetRow(props: FleetRowProps) {
  const { charger, problems, index, top, now } = props
  return useMemo(() => <RowCells {...props} />, [charger, problems, index, top, now])
}

function RowCells({ charger, problems, index, top, now }: FleetRowProps) {
  const { name, label, site, connection, lastSampleTime, energyTodayWh } = charger
  const vehicle = vehicleOf(charger)
  const power = numberOf(charger, 'PowerOutput')
  const state = operationState(charger)
  const about = [label, site].filter(Boolean).join(' · ')
  return (
    <div
      class={`tr ${hasLongWord(state) ? 'has-long-state' : ''}`}
      role="row"
      aria-rowindex={index + 2}
      style={{ transform: `translateY(${top}px)` }}
      data-charger={name}
    >
      <div class="td c-name" role="rowheader">
        <a class="row-link" href={chargerPath(name)} data-index={index}>
          {name}
        </a>
        {about !== '' && <span class="about">{about}</span>}
      </div>
      <div class="td c-state" role="cell">
        <StateBadge state={state} />
      </div>
      <div class={`td c-power ${power === 0 ? 'is-zero' : ''}`} role="cell">
        {kilowatts(power)}
        <span class="unit narrow-only"> kW</span>
      </div>
      <div class="td c-energy" role="cell">
        {kilowattHours(energyTodayWh)}
        <span class="unit narrow-only"> kWh today</span>
      </div>
      <div class="td c-limit" role="cell">
        {amperes(numberOf(charger, 'MaximumOutputCurrent'))}
        <span class="unit narrow-only"> A limit</span>
      </div>
      <div class="td c-vehicle" role="cell">
        {vehicle === '' ? unknownText : shownVehicle(vehicle)}
      </div>
      <div class="td c-age" role="cell">
        {lastSampleTime === null ? unknownText : age(now - Date.parse(lastSampleTime))}
        <span class="narrow-only"> ago</span>
      </div>
      <div class="td c-connection" role="cell">
        <ConnectionMark connection={connection} />
      </div>
      <div class="td c-problems" role="cell">
        <ProblemMarks problems={problems} />
      </div>
    </div>
  )
}

/** On a phone the name shrinks to leave room for a long state. */
const hasLongWord = (state: OperationState): boolean => shownState(state).word.length > 9

/** The server masks card ids for readers without the right to see them. */
export const shownVehicle = (vehicle: string): string => (/^\*+$/.test(vehicle) ? 'connected' : vehicle)

/** The page scrolls, not the table. On a phone, scrolling the page hides the browser's bars. */
function useVisible(body: { current: HTMLDivElement | null }, rowHeight: number, count: number) {
  const look = () => {
    const top = body.current === null ? 0 : -body.current.getBoundingClientRect().top
    return visibleRows(top, innerHeight, rowHeight, count, spareRows)
  }
  const [, setShown] = useState({ first: 0, end: 0 })
  const shown = useRef(look())
  shown.current = look()
  useLayoutEffect(() => {
    let isAsked = false
    const moved = (): void => {
      if (isAsked) return
      isAsked = true
      requestAnimationFrame(() => {
        isAsked = false
        const next = look()
        if (next.first !== shown.current.first || next.end !== shown.current.end) setShown(next)
      })
    }
    moved()
    addEventListener('scroll', moved, { passive: true })
    addEventListener('resize', moved)
    return () => {
      removeEventListener('scroll', moved)
      removeEventListener('resize', moved)
    }
  }, [rowHeight, count])
  return shown.current
}

function moveFocus(event: KeyboardEvent, names: readonly string[], body: HTMLElement, rowHeight: number): void {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key]
  const index = Number((event.target as HTMLElement).dataset.index ?? Number.NaN)
  if (step === undefined || Number.isNaN(index)) return
  const next = index + step
  if (next < 0 || next >= names.length) return
  event.preventDefault()
  const link = body.querySelector<HTMLElement>(`a[data-index="${next}"]`)
  link?.focus({ preventScroll: true })
  keepInView(body, next, rowHeight)
}

/** Scrolls until the row and one more row are visible between the column heads and the lower edge. */
function keepInView(body: HTMLElement, index: number, rowHeight: number): void {
  const top = body.getBoundingClientRect().top + index * rowHeight
  const above = 120 - top
  const below = top + 2 * rowHeight - innerHeight
  if (above > 0) scrollBy(0, -above)
  else if (below > 0) scrollBy(0, below)
}
