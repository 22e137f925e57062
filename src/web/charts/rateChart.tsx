// A chart of the messages received and committed per second, over the last minutes.

import { useMemo } from 'preact/hooks'
import type uPlot from 'uplot'
import { formatNumber } from '../format.ts'
import { axisFont, type Colours, Plot } from './plot.tsx'

export interface RatePoint {
  readonly seconds: number
  readonly received: number
  readonly committed: number
}

const shownSeconds = { least: 60, most: 300 }

export function RateChart({ points }: { points: readonly RatePoint[] }) {
  const data = useMemo(
    (): uPlot.AlignedData => [
      points.map(({ seconds }) => seconds),
      points.map(({ received }) => received),
      points.map(({ committed }) => committed)
    ],
    [points]
  )
  const last = points.at(-1)
  const range = useMemo(() => rangeOf(points), [points])
  const label =
    last === undefined
      ? 'Messages per second: nothing yet'
      : `Messages per second: ${formatNumber(last.received)} received, ${formatNumber(last.committed)} committed`
  return <Plot data={data} height={220} options={options} kind="rate" label={label} range={range} />
}

const options = ({ power, fill, current, grid, text }: Colours): Omit<uPlot.Options, 'width' | 'height'> => ({
  legend: { show: false },
  cursor: { show: false },
  scales: { y: { range: (_plot, _min, max) => [0, Math.max(10, (max ?? 0) * 1.15)] } },
  series: [
    {},
    { stroke: current, width: 1.5, points: { show: false } },
    { stroke: power, fill, width: 2, points: { show: false } }
  ],
  axes: [
    {
      font: axisFont,
      stroke: text,
      grid: { show: false },
      ticks: { show: false },
      values: (_plot, splits) => splits.map(seconds => clock.format(seconds * 1000)),
      space: 90,
      size: 32
    },
    {
      font: axisFont,
      stroke: text,
      grid: { stroke: grid, width: 1 },
      ticks: { show: false },
      size: 64,
      values: (_plot, splits) => splits.map(value => formatNumber(value))
    }
  ]
})

/** The range grows with the data, from one minute to five. */
function rangeOf(points: readonly RatePoint[]): readonly [number, number] | undefined {
  const [first, last] = [points[0]?.seconds, points.at(-1)?.seconds]
  if (first === undefined || last === undefined) return undefined
  return [last - Math.min(shownSeconds.most, Math.max(shownSeconds.least, last - first)), last]
}

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit' })
