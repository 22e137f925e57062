// Draws a uPlot inside an element. The plot takes the element's width, and the light or dark colours of the style
// sheet.

import { useEffect, useRef } from 'preact/hooks'
import uPlot from 'uplot'
import { useMedia } from '../data/dashboard.ts'
import 'uplot/dist/uPlot.min.css'

export interface Colours {
  readonly power: string
  readonly fill: string
  readonly current: string
  readonly limit: string
  readonly grid: string
  readonly text: string
  readonly surface: string
  readonly of: (name: string) => string
}

export interface PlotProps {
  readonly data: uPlot.AlignedData
  readonly height: number
  /** All options but the size. A change of `kind` makes a new plot. */
  readonly options: (colours: Colours) => Omit<uPlot.Options, 'width' | 'height'>
  readonly kind: string
  readonly label: string
  /** The time scale in seconds, when it differs from the data's time range. */
  readonly range?: readonly [number, number] | undefined
}

export function Plot({ data, height, options, kind, label, range }: PlotProps) {
  const holder = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot>(undefined)
  const isDark = useMedia('(prefers-color-scheme: dark)')
  const latest = useRef({ data, range })
  latest.current = { data, range }

  useEffect(() => {
    const element = holder.current!
    const made = new uPlot(
      { ...options(coloursOf(element)), width: element.clientWidth, height },
      latest.current.data,
      element
    )
    plot.current = made
    show(made, latest.current)
    const resized = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height }))
    resized.observe(element)
    return () => {
      resized.disconnect()
      made.destroy()
      plot.current = undefined
    }
  }, [kind, isDark, height])

  useEffect(() => {
    if (plot.current !== undefined) show(plot.current, { data, range })
  }, [data, range])

  return <div class="plot" ref={holder} role="img" aria-label={label} style={{ height: `${height}px` }} />
}

function show(plot: uPlot, { data, range }: Pick<PlotProps, 'data' | 'range'>): void {
  plot.batch(() => {
    plot.setData(data, range === undefined)
    if (range !== undefined) plot.setScale('x', { min: range[0], max: range[1] })
  })
}

function coloursOf(element: Element): Colours {
  const style = getComputedStyle(element)
  const of = (name: string): string => style.getPropertyValue(`--${name}`).trim()
  return {
    power: of('chart-power'),
    fill: of('chart-fill'),
    current: of('chart-current'),
    limit: of('chart-limit'),
    grid: of('chart-grid'),
    text: of('quiet'),
    surface: of('surface'),
    of
  }
}

export const axisFont = '12px system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", sans-serif'
