// The options for drawing a charger's chart: series, axes in the time zone of the site, the band of states, and zoom.

import uPlot from 'uplot'
import { formatNumber } from '../format.ts'
import { shownState } from '../states.ts'
import type { ChartKind, StateSpan } from './chartData.ts'
import { axisFont, type Colours } from './plot.tsx'

export interface Reader {
  readonly bands: () => readonly StateSpan[]
  readonly zoom: (fromMs: number, toMs: number) => void
  /** Receives the index of the point under the cursor, or null. */
  readonly point: (index: number | null) => void
}

interface ChartOptions {
  readonly colours: Colours
  readonly kind: ChartKind
  readonly unit: string
  readonly timeZone: string
  readonly reader: Reader
}

const band = { gap: 5, height: 10 }
const leastDragPixels = 8
/** The possible steps of the axis. The multiples of each step need no more digits than the step itself. */
const increments = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000]

export function chartOptions({
  colours,
  kind,
  unit,
  timeZone,
  reader
}: ChartOptions): Omit<uPlot.Options, 'width' | 'height'> {
  const line = uPlot.paths.stepped!({ align: 1 })
  const bars = uPlot.paths.bars!({ align: 1, size: [0.8, 64], gap: 1 })
  const stroke = kind === 'current' ? colours.current : colours.power
  const none = { show: false }
  return {
    legend: none,
    tzDate: seconds => uPlot.tzDate(new Date(seconds * 1000), timeZone),
    cursor: { y: false, points: none, drag: { x: true, y: false, setScale: false } },
    scales: { x: { time: true }, y: { range: (_plot, _min, max) => [0, Math.max(least[kind], (max ?? 0) * 1.1)] } },
    series: [
      {},
      {
        stroke,
        width: kind === 'energy' ? 0 : 1.75,
        fill: kind === 'energy' ? stroke : kind === 'power' ? colours.fill : 'transparent',
        paths: kind === 'energy' ? bars : line,
        points: none
      },
      {
        stroke: kind === 'current' ? colours.limit : colours.power,
        width: 1,
        dash: kind === 'current' ? [6, 4] : [2, 3],
        paths: line,
        points: none
      }
    ],
    axes: [
      {
        font: axisFont,
        stroke: colours.text,
        grid: none,
        ticks: none,
        space: 76,
        gap: band.gap + band.height + 7,
        size: 46,
        values: timeLabels(timeZone)
      },
      {
        font: axisFont,
        stroke: colours.text,
        grid: { stroke: colours.grid, width: 1 },
        ticks: none,
        size: 58,
        incrs: increments,
        values: (_plot, splits) =>
          splits.map((value, i) => `${formatTick(value, splits)}${i === splits.length - 1 ? ` ${unit}` : ''}`)
      }
    ],
    hooks: {
      draw: [plot => drawBand(plot, reader.bands(), colours)],
      setSelect: [plot => zoomed(plot, reader)],
      setCursor: [({ cursor }) => reader.point(cursor.idx ?? null)]
    }
  }
}

const least: Readonly<Record<ChartKind, number>> = { power: 1, current: 4, energy: 0.05 }

const formatTick = (value: number, splits: readonly number[]): string => {
  const step = (splits[1] ?? 1) - (splits[0] ?? 0)
  return formatNumber(value, step >= 1 ? 0 : step >= 0.1 ? 1 : 2)
}

/** Labels show the time of day. At midnight they show the day. */
function timeLabels(timeZone: string) {
  const day = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short', timeZone })
  const time = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', timeZone })
  const clock = new Intl.DateTimeFormat('en-GB', { timeStyle: 'short', timeZone })
  const label = (date: Date): string => (clock.format(date) === '00:00' ? day : time).format(date)
  return (_plot: uPlot, splits: number[]): string[] => splits.map(seconds => label(new Date(seconds * 1000)))
}

function drawBand({ ctx, bbox, valToPos }: uPlot, spans: readonly StateSpan[], { of }: Colours): void {
  const ratio = uPlot.pxRatio
  const top = bbox.top + bbox.height + band.gap * ratio
  ctx.save()
  for (const { state, from, to } of spans) {
    const left = Math.max(bbox.left, valToPos(from, 'x', true))
    const right = Math.min(bbox.left + bbox.width, valToPos(to, 'x', true))
    if (right <= left) continue
    ctx.fillStyle = of(`${shownState(state).tone}-dot`)
    ctx.fillRect(left, top, Math.max(1, right - left), band.height * ratio)
  }
  ctx.restore()
}

function zoomed(plot: uPlot, reader: Reader): void {
  const { left, width } = plot.select
  if (width === 0) return
  const from = plot.posToVal(left, 'x')
  const to = plot.posToVal(left + width, 'x')
  plot.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false)
  if (width >= leastDragPixels) reader.zoom(from * 1000, to * 1000)
}
