// Shows power, current or energy of one charger over one hour to thirty days, with a band of the charger's states.
// Dragging over the chart zooms in and loads more detail.

import { useEffect, useMemo, useRef, useState } from 'preact/hooks'
import type uPlot from 'uplot'
import type { ReadingsAnswer } from '../../model/api/api.ts'
import { ask, askAll } from '../data/ask.ts'
import { useAsk, useDashboard } from '../data/dashboard.ts'
import { dateAndTime, formatNumber } from '../format.ts'
import { Arrow } from '../parts/icons.tsx'
import { shownState } from '../states.ts'
import {
  bucketMs,
  type ChartData,
  type ChartKind,
  chartData,
  continued,
  kinds,
  resolutionFor,
  spans,
  stateSpans
} from './chartData.ts'
import { chartOptions, type Reader } from './chartOptions.ts'
import { Plot } from './plot.tsx'

const kindWords: Readonly<Record<ChartKind, { word: string; unit: string; bound: string }>> = {
  power: { word: 'Power', unit: 'kW', bound: 'most within' },
  current: { word: 'Current', unit: 'A', bound: 'limit' },
  energy: { word: 'Energy', unit: 'kWh', bound: '' }
}
const tailMs = 10_000
/** An edge repeats an unchanged value every 15 minutes, so the chart needs the last value from before its left end. */
const leadMs = 16 * 60_000
const allAgainMs = 5 * 60_000
const shortestZoomMs = 60_000

interface Section {
  /** Undefined: the chart ends at the current time, and moves on. */
  readonly untilMs: number | undefined
  readonly spanMs: number
}

export function ChargerChart({ charger, timeZone }: { charger: string; timeZone: string }) {
  const { live } = useDashboard()
  const [kind, setKind] = useState<ChartKind>('power')
  const [section, setSection] = useState<Section>({ untilMs: undefined, spanMs: spans[0]!.ms })
  const chosen = useRef(section)
  const [now, setNow] = useState(live.now())
  useEffect(() => {
    const timer = setInterval(() => document.visibilityState === 'visible' && setNow(live.now()), tailMs)
    return () => clearInterval(timer)
  }, [live])

  const until = section.untilMs ?? now
  const from = until - section.spanMs
  const resolution = resolutionFor(section.spanMs, kind)
  const isOpen = section.untilMs === undefined
  const { answer, fault, isAsking } = useReadings(charger, { from, until, resolution, isOpen })
  const data = useMemo(() => chartData(answer ?? { columns: ['time'], rows: [] }, kind), [answer, kind])
  const isZoomed = section !== chosen.current
  const choose = (next: Section): void => {
    chosen.current = next
    setSection(next)
  }
  const zoom = (fromMs: number, toMs: number): void =>
    setSection({ untilMs: toMs, spanMs: Math.max(shortestZoomMs, toMs - fromMs) })
  const move = (direction: -1 | 1): void => {
    const end = until + (direction * section.spanMs) / 2
    setSection({ spanMs: section.spanMs, untilMs: end >= live.now() ? undefined : end })
  }

  return (
    <section class="card chart-card" aria-busy={isAsking}>
      <div class="card-head">
        <div class="segments" role="group" aria-label="What the chart shows">
          {kinds.map(name => (
            <Segment key={name} word={kindWords[name].word} isPressed={kind === name} press={() => setKind(name)} />
          ))}
        </div>
        <div class="segments" role="group" aria-label="How long">
          {spans.map(({ word, ms }) => (
            <Segment
              key={word}
              word={word}
              isPressed={!isZoomed && section.spanMs === ms}
              press={() => choose({ untilMs: undefined, spanMs: ms })}
            />
          ))}
        </div>
      </div>
      <SpanLine {...{ from, until, timeZone, isOpen, isZoomed, zoom, move }} reset={() => setSection(chosen.current)} />
      {fault !== undefined && (
        <p class="fault" role="alert">
          The readings could not be loaded: {fault}
        </p>
      )}
      <Drawing
        data={data}
        kind={kind}
        resolutionMs={bucketMs[resolution]}
        from={from}
        until={until}
        timeZone={timeZone}
        isLoaded={answer !== undefined}
        zoom={zoom}
      />
    </section>
  )
}

interface SpanLineProps {
  readonly from: number
  readonly until: number
  readonly timeZone: string
  /** True when the span ends at the current time and moves on. */
  readonly isOpen: boolean
  readonly isZoomed: boolean
  readonly zoom: (fromMs: number, toMs: number) => void
  readonly reset: () => void
  readonly move: (direction: -1 | 1) => void
}

/** Shows the span, and the buttons that change the span. */
function SpanLine({ from, until, timeZone, isOpen, isZoomed, zoom, reset, move }: SpanLineProps) {
  const spanMs = until - from
  return (
    <div class="chart-line">
      <button type="button" class="button button-square" aria-label="Earlier" onClick={() => move(-1)}>
        <Arrow direction="left" />
      </button>
      <p class="chart-span">
        {dateAndTime(from, timeZone)} – {isOpen ? 'now' : dateAndTime(until, timeZone)}
        <span class="quiet"> {timeZone}</span>
      </p>
      <button
        type="button"
        class="button"
        disabled={spanMs <= shortestZoomMs}
        onClick={() => zoom(until - (spanMs * 3) / 4, until - spanMs / 4)}
      >
        Zoom in
      </button>
      <button type="button" class="button" disabled={!isZoomed} onClick={reset}>
        Reset zoom
      </button>
      <button type="button" class="button button-square" aria-label="Later" disabled={isOpen} onClick={() => move(1)}>
        <Arrow direction="right" />
      </button>
    </div>
  )
}

const Segment = ({ word, isPressed, press }: { word: string; isPressed: boolean; press: () => void }) => (
  <button type="button" class="segment" aria-pressed={isPressed} onClick={press}>
    {word}
  </button>
)

interface DrawingProps {
  readonly data: ChartData
  readonly kind: ChartKind
  readonly resolutionMs: number
  readonly from: number
  readonly until: number
  readonly timeZone: string
  readonly isLoaded: boolean
  readonly zoom: (fromMs: number, toMs: number) => void
}

function Drawing({ data, kind, resolutionMs, from, until, timeZone, isLoaded, zoom }: DrawingProps) {
  const { word, unit, bound } = kindWords[kind]
  const [at, setAt] = useState<number | null>(null)
  const bands = useMemo(() => stateSpans(data, until / 1000), [data, until])
  const latest = useRef({ bands, zoom, setAt })
  latest.current = { bands, zoom, setAt }
  const reader: Reader = useMemo(
    () => ({
      bands: () => latest.current.bands,
      zoom: (fromMs, toMs) => latest.current.zoom(fromMs, toMs),
      point: index => latest.current.setAt(index)
    }),
    []
  )
  const columns = useMemo(() => drawnColumns(data, resolutionMs === 0 ? until / 1000 : undefined), [data, until])
  const range = useMemo(() => [from / 1000, until / 1000] as const, [from, until])
  const shown = [...new Set(bands.map(({ state }) => state))]
  const isEmpty = isLoaded && data.values.every(value => value === null)
  return (
    <figure class="chart" data-points={data.times.length}>
      <p class="chart-read">{readOut(data, at, timeZone, unit, bound)}</p>
      <div class="chart-plot">
        <Plot
          data={columns}
          height={280}
          kind={`${kind}/${resolutionMs}/${timeZone}`}
          options={colours => chartOptions({ colours, kind, unit, timeZone, reader })}
          label={summaryOf(data, word, unit)}
          range={range}
        />
        {isEmpty && <p class="chart-empty">No readings in this time</p>}
      </div>
      <figcaption class="legend">
        {shown.map(state => (
          <span key={state} class={`key tone-${shownState(state).tone}`}>
            {shownState(state).word}
          </span>
        ))}
        <span class="quiet legend-hint">Drag over the chart to zoom in</span>
      </figcaption>
    </figure>
  )
}

/** The last stored value holds until the end of the chart, so the function appends one more point with this value. */
function drawnColumns({ times, values, bounds }: ChartData, until: number | undefined): uPlot.AlignedData {
  const all = [times, values, bounds.length > 0 ? bounds : times.map(() => null)]
  const last = times.at(-1)
  const goesOn = last !== undefined && until !== undefined && last < until
  const drawn = goesOn ? all.map((column, i) => [...column, i === 0 ? until : column.at(-1)!]) : all
  return drawn as unknown as uPlot.AlignedData
}

function readOut(
  { times, values, bounds, states }: ChartData,
  cursor: number | null,
  timeZone: string,
  unit: string,
  bound: string
): string {
  if (cursor === null || times.length === 0) return '\u00a0'
  const at = Math.min(cursor, times.length - 1)
  const parts = [dateAndTime(times[at]! * 1000, timeZone), `${formatNumber(values[at], 2)} ${unit}`]
  if (bound !== '' && typeof bounds[at] === 'number') parts.push(`${bound} ${formatNumber(bounds[at], 2)} ${unit}`)
  const state = states[at]
  if (state) parts.push(shownState(state).word)
  return parts.join('  ·  ')
}

/** A sentence about the data, for readers who do not see the drawing. */
function summaryOf({ values }: ChartData, word: string, unit: string): string {
  const known = values.filter(value => value !== null)
  if (known.length === 0) return `${word}: no readings in this time`
  const mean = known.reduce((sum, value) => sum + value, 0) / known.length
  const most = `at most ${formatNumber(Math.max(...known), 2)} ${unit}`
  return `${word}: ${formatNumber(known.length)} points, ${most}, on average ${formatNumber(mean, 2)} ${unit}`
}

interface Wanted {
  readonly from: number
  readonly until: number
  readonly resolution: ReadingsAnswer['resolution']
  /** True when the chart moves on. New rows are then loaded every few seconds, and all rows every few minutes. */
  readonly isOpen: boolean
}

function useReadings(charger: string, { from, until, resolution, isOpen }: Wanted) {
  const path = `/api/v1/chargers/${encodeURIComponent(charger)}/readings`
  const known = useRef<{ key: string; answer: ReadingsAnswer; loadedMs: number }>(undefined)
  const span = Math.round(until - from)
  const key = isOpen ? `${resolution}/${span}` : `${resolution}/${Math.round(from)}/${span}`
  return useAsk(isOpen ? `${key}/${until}` : key, async signal => {
    const to = iso(isOpen ? until + tailMs : until)
    const start = resolution === 'raw' ? from - leadMs : from
    const before = known.current
    if (isOpen && before?.key === key && until - before.loadedMs < allAgainMs && before.answer.rows.length > 0) {
      const last = String(before.answer.rows.at(-1)![before.answer.columns.indexOf('time')])
      const tail = await readAll(path, { from: last, to, resolution }, signal)
      known.current = { ...before, answer: continued(before.answer, tail, start) }
    } else {
      known.current = {
        key,
        answer: await readAll(path, { from: iso(start), to, resolution }, signal),
        loadedMs: until
      }
    }
    return known.current.answer
  })
}

async function readAll(path: string, query: Record<string, string>, signal: AbortSignal): Promise<ReadingsAnswer> {
  const first = await ask<ReadingsAnswer>(path, query, signal)
  if (first.next === undefined) return first
  const rest = await askAll<ReadingsAnswer, ReadingsAnswer['rows'][number]>(
    path,
    { ...query, after: first.next },
    ({ rows }) => rows,
    signal
  )
  return { ...first, rows: [...first.rows, ...rest] }
}

const iso = (ms: number): string => new Date(ms).toISOString()
