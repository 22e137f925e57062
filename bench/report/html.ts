// Writes the report as one HTML file that loads nothing from the network. It has the figures, ratios, plots over time,
// the latency distribution, the CPU by part, the batch sizes, and the machine, versions and settings.

import { type Budget, holds } from '../budgets/budget.ts'
import { Histogram, highestUs } from '../load/histogram.ts'
import { type Bar, escapeHtml, type Line, linePlot, stackedBars } from './plots.ts'
import { cpuLabel, type FigureName, figureKinds, type Moment, type Report, type Run } from './result.ts'
import { formatNumber, ratioLine } from './terminal.ts'

export function htmlReport(report: Report): string {
  const { scenario, startedAt, failures, skipped, ratios, runs, budgets = [] } = report
  const notes = [
    ...ratios.map(ratio => `<p>${escapeHtml(ratioLine(ratio))}</p>`),
    ...skipped.map(line => `<p>skipped: ${escapeHtml(line)}</p>`),
    ...failures.map(
      ({ target, findings }) =>
        `<p class="fault">${escapeHtml(target)}: not verified, no speed: ${escapeHtml(findings.join('; '))}</p>`
    )
  ]
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(scenario)} - chargelift bench</title>
<style>${style}</style>
<h1>${escapeHtml(scenario)}</h1>
<p class="when">${escapeHtml(startedAt)}. Every figure is of a run that was verified: what was acknowledged is what is stored.</p>
${figureTable(report)}
${budgetTable(budgets)}
${notes.join('\n')}
<div class="plots">
${plotsOf(runs)}
</div>
${facts(report)}
</html>
`
}

function figureTable({ results }: Report): string {
  const targets = Object.keys(results)
  if (targets.length === 0) return ''
  const names = (Object.keys(figureKinds) as FigureName[]).filter(name =>
    targets.some(target => results[target]![name] !== undefined)
  )
  const head = targets.map(target => `<th>${escapeHtml(target)}</th>`).join('')
  const rows = names.map(name => {
    const { label, unit } = figureKinds[name]
    const cells = targets.map(target => `<td>${formatNumber(results[target]![name])}</td>`).join('')
    return `<tr><th>${escapeHtml(label)}</th>${cells}<td class="unit">${escapeHtml(unit)}</td></tr>`
  })
  return `<table class="figures"><tr><th></th>${head}<th></th></tr>${rows.join('')}</table>`
}

function budgetTable(budgets: readonly Budget[]): string {
  if (budgets.length === 0) return ''
  const rows = budgets.map(budget => {
    const bound = `${budget.good} ${formatNumber(budget.bound)} ${budget.unit}`
    const fault = holds(budget) ? '' : ' class="fault"'
    return `<tr><th>${escapeHtml(budget.name)}</th><td${fault}>${formatNumber(budget.value)}</td><td class="unit">${escapeHtml(bound)}</td></tr>`
  })
  return `<table class="figures">${rows.join('')}</table>`
}

function plotsOf(runs: readonly Run[]): string {
  if (runs.length === 0) return ''
  const nameOf = ({ target, repeat }: Run): string =>
    runs.some(run => run.target === target && run.repeat !== repeat) ? `${target} ${repeat}` : target
  const overTime = (of: (moment: Moment) => number | null): Line[] =>
    runs.map(run => ({
      name: nameOf(run),
      points: run.moments.flatMap(moment => {
        const y = of(moment)
        return y === null ? [] : [[moment.second, y] as const]
      })
    }))
  const time = { xLabel: 'second of the measured time' }
  return [
    linePlot(
      overTime(({ messagesPerSecond }) => messagesPerSecond),
      { title: 'Messages acknowledged per second', yLabel: 'messages/s', ...time }
    ),
    linePlot(
      overTime(({ p50Ms }) => p50Ms),
      { title: 'Acknowledged after, p50 of each second', yLabel: 'ms', ...time }
    ),
    linePlot(
      overTime(({ p99Ms }) => p99Ms),
      { title: 'Acknowledged after, p99 of each second', yLabel: 'ms', ...time }
    ),
    linePlot(
      runs.map(run => ({ name: nameOf(run), points: distribution(run) })),
      {
        title: 'Distribution of acknowledgements',
        xLabel: 'ms (logarithmic)',
        yLabel: '% not above',
        logX: true,
        yMax: 100
      }
    ),
    linePlot(
      overTime(({ rssMb }) => rssMb),
      { title: 'Server memory (RSS)', yLabel: 'MB', ...time }
    ),
    stackedBars(runs.map(cpuBar(nameOf)), 'CPU per message', 'us'),
    batches(runs.find(({ batchRows }) => batchRows.length > 0))
  ].join('\n')
}

function distribution({ latency }: Run): (readonly [number, number])[] {
  const histogram = Histogram.of(latency)
  let seen = 0
  return latency.map(([bucket, count]) => {
    seen += count
    return [(highestUs(bucket) + 1) / 1000, (seen / histogram.count) * 100] as const
  })
}

const cpuBar =
  (nameOf: (run: Run) => string) =>
  (run: Run): Bar => ({
    name: nameOf(run),
    parts: Object.entries(run.cpuUs).map(([part, value]) => ({ name: cpuLabel(part), value }))
  })

function batches(run: Run | undefined): string {
  if (run === undefined) return ''
  const bars = run.batchRows.map(({ atMost, count }) => ({
    name: atMost === null ? 'more' : `at most ${formatNumber(atMost)}`,
    parts: [{ name: 'batches', value: count }]
  }))
  return stackedBars(bars, `Rows per batch (${run.target})`, '')
}

function facts({ machine, versions, settings }: Report): string {
  const rows = Object.entries({ ...machine, ...versions, ...settings }).map(
    ([name, value]) =>
      `<tr><th>${escapeHtml(name)}</th><td>${escapeHtml(typeof value === 'object' ? JSON.stringify(value) : String(value))}</td></tr>`
  )
  return `<h2>Machine, versions, settings</h2><table class="facts">${rows.join('')}</table>`
}

const colours = ['#2563eb', '#d97706', '#059669', '#dc2626', '#7c3aed', '#0891b2', '#be185d', '#4d7c0f', '#78716c']

const style = `
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 1340px; padding: 0 1rem; color: #1c1917; background: #fff }
h1 { margin-bottom: 0 } h2 { margin-top: 2rem } .when { color: #57534e; margin-top: .2rem }
table { border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums }
th, td { padding: .2rem .8rem .2rem 0; text-align: right; border-bottom: 1px solid #e7e5e4 }
tr > th:first-child { text-align: left; font-weight: normal } .unit, .facts td { text-align: left; color: #57534e; overflow-wrap: anywhere }
.plots { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 560px), 1fr)); gap: 1.2rem }
figure { margin: 0; border: 1px solid #e7e5e4; border-radius: 6px; padding: .8rem } figcaption { font-weight: 600; margin-bottom: .4rem }
svg { width: 100%; height: auto; display: block } svg text { font-size: 11px; fill: #57534e }
.grid { stroke: #e7e5e4 } polyline { fill: none; stroke-width: 1.8 }
.legend { list-style: none; display: flex; flex-wrap: wrap; gap: .2rem 1rem; padding: 0; margin: .5rem 0 0; font-size: 13px }
.key { display: inline-block; width: 10px; height: 10px; border-radius: 2px; margin-right: .35rem } .fault { color: #dc2626; font-weight: 600 }
${colours.map((colour, i) => `polyline.s${i} { stroke: ${colour} } rect.s${i}, circle.s${i} { fill: ${colour} } .key.s${i} { background: ${colour} }`).join('\n')}
`
