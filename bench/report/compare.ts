// `compare BEFORE.json AFTER.json`: prints each figure of each target before and after, the change in percent, and
// whether the change is an improvement.

import { readFileSync } from 'node:fs'
import { ConfigError, type ConfigFault } from '../../src/model/errors.ts'
import { type FigureName, figureKinds, type Report, reportFormat } from './result.ts'
import { formatNumber } from './terminal.ts'

/** A smaller change counts as noise. Only many repeats could show that it is real. */
const noisePercent = 5

/** Throws ConfigError with all faults of the two files. */
export function compareFiles(files: readonly string[]): string {
  if (files.length !== 2) {
    throw new ConfigError([
      { path: 'compare', expected: 'two files: BEFORE.json AFTER.json', found: `${files.length}` }
    ])
  }
  const faults: ConfigFault[] = []
  const [before, after] = files.map(file => readReport(file, faults))
  if (faults.length > 0) throw new ConfigError(faults)
  return compareReports(before!, after!)
}

function readReport(file: string, faults: ConfigFault[]): Report | undefined {
  const expected = `results that the bench wrote with --json (format "${reportFormat}")`
  try {
    const report = JSON.parse(readFileSync(file, 'utf8')) as Report
    if (report?.format === reportFormat) return report
    faults.push({ path: file, expected, found: `format ${JSON.stringify(report?.format)}` })
  } catch (error) {
    faults.push({ path: file, expected, found: (error as Error).message })
  }
  return undefined
}

export function compareReports(before: Report, after: Report): string {
  const targets = Object.keys(before.results).filter(target => after.results[target] !== undefined)
  const lines = [
    `${before.scenario}: ${before.startedAt} (${before.versions.chargelift}) -> ${after.startedAt} (${after.versions.chargelift})`,
    ...warnings(before, after),
    ...targets.flatMap(target => ['', target, ...figureLines(before.results[target]!, after.results[target]!)])
  ]
  return `${lines.join('\n')}\n`
}

/** Warnings about differences that make the two results hard to compare. */
function warnings(before: Report, after: Report): string[] {
  const found: string[] = []
  if (before.scenario !== after.scenario) found.push(`different scenarios: ${before.scenario}, ${after.scenario}`)
  for (const side of ['cores', 'cpu'] as const) {
    if (before.machine[side] !== after.machine[side]) {
      found.push(`different machines: ${side} ${before.machine[side]}, ${after.machine[side]}`)
    }
  }
  const names = new Set([...Object.keys(before.settings), ...Object.keys(after.settings)])
  for (const name of names) {
    const [a, b] = [before, after].map(({ settings }) => JSON.stringify(settings[name]))
    if (a !== b && name !== 'json' && name !== 'html') found.push(`different --${name}: ${a ?? 'none'}, ${b ?? 'none'}`)
  }
  for (const [when, { failures }] of [
    ['before', before],
    ['after', after]
  ] as const) {
    for (const { target } of failures)
      found.push(`${when}: ${target} was not verified in a run, and has no speed there`)
  }
  return found.map(line => `! ${line}`)
}

function figureLines(before: Report['results'][string], after: Report['results'][string]): string[] {
  const names = (Object.keys(figureKinds) as FigureName[]).filter(
    name => before[name] !== undefined && after[name] !== undefined
  )
  return names.map(name => {
    const { label, unit, better } = figureKinds[name]
    const [a, b] = [before[name]!, after[name]!]
    const percent = a === 0 ? (b === 0 ? 0 : Number.POSITIVE_INFINITY) : ((b - a) / Math.abs(a)) * 100
    const change = `${percent >= 0 ? '+' : ''}${Number.isFinite(percent) ? percent.toFixed(1) : 'from 0'} %`
    const columns = [label.padEnd(40), formatNumber(a).padStart(10), formatNumber(b).padStart(10), change.padStart(10)]
    return `  ${columns.join(' ')}  ${verdict(percent, better)} ${unit}`.trimEnd()
  })
}

function verdict(percent: number, better: 'more' | 'less' | undefined): string {
  if (better === undefined) return '      '
  if (Math.abs(percent) < noisePercent) return 'same  '
  return percent > 0 === (better === 'more') ? 'better' : 'WORSE '
}
