// Writes the report as a table for the terminal, with a column for each target and a row for each figure. Below the
// table come the CPU by part, the batch sizes, the ratios, and the machine, versions and settings.

import { type Budget, holds } from '../budgets/budget.ts'
import type { Bucket } from '../rig/metrics.ts'
import { cpuLabel, type FigureName, figureKinds, type Ratio, type Report, type Run } from './result.ts'

export function terminalReport(report: Report): string {
  const { results, runs, ratios, failures, skipped, budgets = [] } = report
  const targets = Object.keys(results)
  const blocks = [
    figureTable(targets, results),
    cpuTable(targets, runs),
    budgetTable(budgets),
    ...(runs.length > 0 ? [batchLine(runs[0]!.batchRows)] : []),
    ratios.map(ratioLine).join('\n'),
    skipped.map(line => `skipped: ${line}`).join('\n'),
    failures.map(({ target, findings }) => `${target}: NOT verified, no speed: ${findings.join('; ')}`).join('\n'),
    whereLine(report)
  ]
  return `\n${blocks.filter(block => block !== '').join('\n\n')}\n`
}

function figureTable(targets: readonly string[], results: Report['results']): string {
  if (targets.length === 0) return ''
  const names = (Object.keys(figureKinds) as FigureName[]).filter(name =>
    targets.some(target => results[target]![name] !== undefined)
  )
  return tableOf([
    ['', ...targets, ''],
    ...names.map(name => [
      figureKinds[name].label,
      ...targets.map(target => formatNumber(results[target]![name])),
      figureKinds[name].unit
    ])
  ])
}

function cpuTable(targets: readonly string[], runs: readonly Run[]): string {
  const splits = targets.map(target => runs.find(run => run.target === target)!.cpuUs)
  const parts = [...new Set(splits.flatMap(split => Object.keys(split)))]
  if (parts.length === 0) return ''
  return tableOf([
    ['CPU per message', ...targets, ''],
    ...parts.map(part => [cpuLabel(part), ...splits.map(split => formatNumber(split[part])), 'us'])
  ])
}

function budgetTable(budgets: readonly Budget[]): string {
  if (budgets.length === 0) return ''
  return tableOf([
    ['budget', 'found', 'bound', '', ''],
    ...budgets.map(budget => [
      budget.name,
      formatNumber(budget.value),
      `${budget.good} ${formatNumber(budget.bound)}`,
      budget.unit,
      holds(budget) ? '' : 'BROKEN'
    ])
  ])
}

function batchLine(buckets: readonly Bucket[]): string {
  const total = buckets.reduce((sum, { count }) => sum + count, 0)
  if (total === 0) return ''
  const shares = buckets
    .filter(({ count }) => count > 0)
    .map(({ atMost, count }) => `${atMost === null ? 'more' : `<= ${atMost}`}: ${Math.round((count / total) * 100)} %`)
  return `rows per batch, ${total} batches: ${shares.join(', ')}`
}

export function ratioLine({ baseline, speed, cpu }: Ratio): string {
  const parts = [
    ...(speed === null ? [] : [`${formatNumber(speed)} times the messages per second`]),
    ...(cpu === null ? [] : [`${formatNumber(cpu)} of the CPU per message stored`])
  ]
  return `against ${baseline}: ${parts.join(', ') || 'nothing to compare'}`
}

function whereLine({ machine, versions, startedAt, settings }: Report): string {
  const list = (pairs: object): string =>
    Object.entries(pairs)
      .map(([name, value]) => `${name} ${Array.isArray(value) ? value.join(',') || 'none' : value}`)
      .join(', ')
  const { server, ...rest } = settings as { server?: { host: string; port: number } }
  const shown = server === undefined ? rest : { ...rest, server: `mqtts://${server.host}:${server.port}` }
  return [
    `${startedAt}, ${machine.cores} cores (${machine.cpu}), ${machine.memoryMb} MB, load before ${machine.loadAverage}`,
    list(versions),
    list(shown)
  ].join('\n')
}

function tableOf(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map(row => row[column]!.length)))
  return rows
    .map(row =>
      row
        .map((cell, column) =>
          column === 0 || column === row.length - 1 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)
        )
        .join('  ')
        .trimEnd()
    )
    .join('\n')
}

/** Shows three significant digits, with a separator for thousands. Shows "-" for a missing number. */
export function formatNumber(value: number | undefined | null): string {
  if (value === undefined || value === null || !Number.isFinite(value)) return '-'
  const size = Math.abs(value)
  if (size >= 100 || Number.isInteger(value)) return Math.round(value).toLocaleString('en-US')
  return size >= 10 ? value.toFixed(1) : size >= 0.01 ? value.toFixed(2) : value.toPrecision(2)
}
