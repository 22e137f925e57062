// Draws plots as SVG text for a self-contained page. The colours come from the page's style, by the classes `s0`, `s1`
// and so on.

import { formatNumber } from './terminal.ts'

export interface Line {
  readonly name: string
  readonly points: readonly (readonly [x: number, y: number])[]
}

interface PlotOptions {
  readonly title: string
  readonly xLabel: string
  readonly yLabel: string
  readonly logX?: boolean
  /** The end of the y axis. Undefined: the axis ends with the data. */
  readonly yMax?: number
}

const size = { width: 640, height: 260 }
const area = { left: 78, right: 14, top: 14, bottom: 40 }
const inner = { width: size.width - area.left - area.right, height: size.height - area.top - area.bottom }

/** A figure with a legend. Without any points, the figure holds a sentence. */
export function linePlot(lines: readonly Line[], { title, xLabel, yLabel, logX = false, yMax }: PlotOptions): string {
  const drawn = lines.filter(({ points }) => points.length > 0)
  if (drawn.length === 0) return figure(title, '<p>Nothing was measured.</p>', [])
  const xs = drawn.flatMap(({ points }) => points.map(([x]) => x))
  const ys = drawn.flatMap(({ points }) => points.map(([, y]) => y))
  const x = scale(Math.min(...xs), Math.max(...xs), logX)
  const yTicks = ticks(yMax ?? Math.max(...ys))
  const yTop = yTicks.at(-1)!
  const px = (value: number): number => area.left + x.of(value) * inner.width
  const py = (value: number): number => area.top + (1 - value / yTop) * inner.height
  const paths = drawn.map(({ points }, i) => {
    const text = points.map(([a, b]) => `${px(a).toFixed(1)},${py(Math.min(b, yTop)).toFixed(1)}`).join(' ')
    return points.length === 1
      ? `<circle class="s${i}" cx="${px(points[0]![0])}" cy="${py(points[0]![1])}" r="3"/>`
      : `<polyline class="s${i}" points="${text}"/>`
  })
  const grid = [
    ...yTicks.map(
      tick =>
        `<line class="grid" x1="${area.left}" x2="${size.width - area.right}" y1="${py(tick)}" y2="${py(tick)}"/>` +
        `<text x="${area.left - 6}" y="${py(tick) + 4}" text-anchor="end">${formatNumber(tick)}</text>`
    ),
    ...x.ticks.map(
      tick =>
        `<text x="${px(tick)}" y="${size.height - area.bottom + 16}" text-anchor="middle">${formatNumber(tick)}</text>`
    ),
    `<text x="${area.left + inner.width / 2}" y="${size.height - 6}" text-anchor="middle">${escapeHtml(xLabel)}</text>`,
    `<text transform="translate(12 ${area.top + inner.height / 2}) rotate(-90)" text-anchor="middle">${escapeHtml(yLabel)}</text>`
  ]
  const svg = `<svg viewBox="0 0 ${size.width} ${size.height}" role="img" aria-label="${escapeHtml(title)}">${grid.join('')}${paths.join('')}</svg>`
  return figure(
    title,
    svg,
    drawn.map(({ name }) => name)
  )
}

export interface Bar {
  readonly name: string
  readonly parts: readonly { readonly name: string; readonly value: number }[]
}

/** Stacked bars, one below the other. A part has the same colour in every bar. */
export function stackedBars(bars: readonly Bar[], title: string, unit: string): string {
  const names = [...new Set(bars.flatMap(({ parts }) => parts.map(({ name }) => name)))]
  if (names.length === 0) return figure(title, '<p>Nothing was measured.</p>', [])
  const totals = bars.map(({ parts }) => parts.reduce((sum, { value }) => sum + value, 0))
  const most = Math.max(...totals) || 1
  const [left, right, rowHeight] = [130, 90, 34]
  const width = size.width - left - right
  const rows = bars.map(({ name, parts }, row) => {
    let at = left
    const boxes = parts.map(part => {
      const length = (part.value / most) * width
      const title = `<title>${escapeHtml(part.name)}: ${formatNumber(part.value)} ${unit}</title>`
      const box = `<rect class="s${names.indexOf(part.name)}" x="${at.toFixed(1)}" y="${row * rowHeight + 6}" width="${length.toFixed(1)}" height="${rowHeight - 12}">${title}</rect>`
      at += length
      return box
    })
    const y = row * rowHeight + rowHeight / 2 + 4
    return `<text x="${left - 8}" y="${y}" text-anchor="end">${escapeHtml(name)}</text>${boxes.join('')}<text x="${at + 6}" y="${y}">${formatNumber(totals[row])} ${unit}</text>`
  })
  const svg = `<svg viewBox="0 0 ${size.width} ${bars.length * rowHeight}" role="img" aria-label="${escapeHtml(title)}">${rows.join('')}</svg>`
  return figure(title, svg, names)
}

function figure(title: string, content: string, legend: readonly string[]): string {
  const keys = legend.map((name, i) => `<li><span class="key s${i}"></span>${escapeHtml(name)}</li>`)
  return `<figure><figcaption>${escapeHtml(title)}</figcaption>${content}${keys.length > 0 ? `<ul class="legend">${keys.join('')}</ul>` : ''}</figure>`
}

export const escapeHtml = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')

interface Scale {
  /** Maps a value to 0 to 1. */
  readonly of: (value: number) => number
  readonly ticks: readonly number[]
}

function scale(min: number, max: number, isLog: boolean): Scale {
  if (!isLog) {
    const from = min >= 0 && min <= max / 10 ? 0 : min
    const span = max - from || 1
    return { of: value => (value - from) / span, ticks: ticks(max).filter(tick => tick >= from && tick <= max) }
  }
  const [from, to] = [Math.log10(Math.max(min, 0.001)), Math.log10(Math.max(max, 0.002))]
  const span = to - from || 1
  const decades = Array.from({ length: 12 }, (_, i) => 10 ** (i - 3))
  const marks = decades.flatMap(decade => (span < 2 ? [1, 2, 5].map(step => step * decade) : [decade]))
  return {
    of: value => (Math.log10(Math.max(value, 0.001)) - from) / span,
    ticks: marks.filter(mark => Math.log10(mark) >= from - 1e-9 && Math.log10(mark) <= to + 1e-9)
  }
}

/** Round steps from 0 to the first step that is not below `max`. */
export function ticks(max: number): number[] {
  if (!(max > 0)) return [0, 1]
  const raw = max / 4
  const decade = 10 ** Math.floor(Math.log10(raw))
  const step = [1, 2, 2.5, 5, 10].find(factor => factor * decade >= raw)! * decade
  return Array.from({ length: Math.ceil(max / step - 1e-9) + 1 }, (_, i) => i * step)
}
