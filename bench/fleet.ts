// The program behind `npm run bench`: lists the scenarios, runs a scenario and reports the result, or compares two
// results. A run that fails its verification prints no speed. The exit code is then 1. For flags that must change it is
// 78.

import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { ConfigError, exitCodeConfig } from '../src/model/errors.ts'
import { initAuthority } from '../src/pki/authority/authority.ts'
import { baselines } from './baselines/baselines.ts'
import { copyFloorName, copyFloorSummary } from './baselines/copyFloor.ts'
import { holds } from './budgets/budget.ts'
import { fleetModel, fleetModelHelp } from './model/command.ts'
import { Progress } from './progress.ts'
import { compareFiles } from './report/compare.ts'
import { htmlReport } from './report/html.ts'
import { medians, type Report, ratiosOf, reportFormat } from './report/result.ts'
import { terminalReport } from './report/terminal.ts'
import { describeMachine, describeVersions } from './rig/machine.ts'
import { productName } from './rig/product.ts'
import { Bench, folder, type Scenario } from './scenarios/scenario.ts'
import { longScenarios, scenarios } from './scenarios/scenarios.ts'
import { flagsHelp, readSettings, type Settings, shownSettings } from './settings.ts'

const exitCodeInterrupted = 130

const usage = (): string => `Usage: npm run bench -- SCENARIO [flags]
       npm run bench -- long NAME [flags]: minutes to hours, by hand (${Object.keys(longScenarios).join(', ')})
       npm run bench -- compare BEFORE.json AFTER.json
       npm run bench -- fleet-model [RESULT.json ...]: the machines that a fleet needs

${Object.entries(scenarios)
  .map(([name, { summary }]) => `  ${name.padEnd(17)} ${summary}`)
  .join('\n')}

Baselines of the first three (--baselines NAME,NAME or all):
${[...Object.entries(baselines).map(([name, { summary }]) => [name, summary]), [copyFloorName, copyFloorSummary]]
  .map(([name, summary]) => `  ${name!.padEnd(17)} ${summary}`)
  .join('\n')}

${flagsHelp()}

Each run starts a server and a database of its own, unless --server points at one, and verifies before it prints a speed
that what was acknowledged is what is stored. Method and results: bench/README.md
`

async function main([name, ...args]: readonly string[]): Promise<number> {
  if (name === 'long') return runNamed(longScenarios, args, Object.keys(longScenarios))
  if (name === 'fleet-model' && args.includes('--help')) {
    process.stdout.write(fleetModelHelp())
    return 0
  }
  if (name === undefined || name === '--help' || name === '-h' || args.includes('--help')) {
    process.stdout.write(usage())
    return 0
  }
  if (name === 'fleet-model') {
    process.stdout.write(fleetModel(args))
    return 0
  }
  if (name === 'compare') {
    process.stdout.write(compareFiles(args))
    return 0
  }
  return runNamed(scenarios, [name, ...args], [...Object.keys(scenarios), 'long', 'compare', 'fleet-model'])
}

async function runNamed(
  table: Readonly<Record<string, Scenario>>,
  [name = 'nothing', ...args]: readonly string[],
  known: readonly string[]
): Promise<number> {
  const scenario = Object.hasOwn(table, name) ? table[name] : undefined
  if (scenario === undefined) {
    throw new ConfigError([{ path: 'scenario', expected: `one of ${known.join(', ')}`, found: name }])
  }
  const settings = readSettings(args, scenario.defaults)
  if (settings.baselines.length > 0 && !scenario.hasBaselines) {
    const expected = `nothing: ${name} has nothing to be compared with`
    throw new ConfigError([{ path: '--baselines', expected, found: settings.baselines.join(',') }])
  }
  return runScenario(name, scenario, settings)
}

async function runScenario(name: string, scenario: Scenario, settings: Settings): Promise<number> {
  const startedAt = new Date().toISOString()
  const machine = describeMachine()
  const bench = new Bench(settings, new Progress())
  if (settings.server === undefined) await initAuthority({ dir: settings.certs })
  bench.progress.print(`${name}: ${scenario.summary}`)
  endWhenInterrupted(bench)
  try {
    await scenario.run(bench)
  } catch (error) {
    // Ctrl-C ends the parts of a run, so the run fails. The signal handler ends the process.
    if (bench.isInterrupted) await new Promise(() => {})
    throw error
  } finally {
    await bench.close()
  }
  const { runs, failures, skipped, versions, budgets } = bench
  const results = medians(runs)
  const report: Report = {
    format: reportFormat,
    scenario: name,
    startedAt,
    settings: shownSettings(settings),
    machine,
    versions: { ...describeVersions(), ...versions },
    results,
    ratios: ratiosOf(results, productName),
    ...(budgets.length > 0 && { budgets }),
    skipped,
    failures,
    runs
  }
  writeReport(report, settings)
  process.stdout.write(terminalReport(report))
  const isBroken = settings.strict === true && !budgets.every(holds)
  return failures.length > 0 || isBroken ? 1 : 0
}

function endWhenInterrupted(bench: Bench): void {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, async () => {
      await bench.interrupt()
      process.exit(exitCodeInterrupted)
    })
  }
}

function writeReport(report: Report, { json, html }: Settings): void {
  const htmlFile = html ?? join(folder, `${report.scenario}.html`)
  for (const file of [json, htmlFile]) if (file !== undefined) mkdirSync(dirname(file), { recursive: true })
  if (json !== undefined) writeFileSync(json, `${JSON.stringify(report, null, 2)}\n`)
  writeFileSync(htmlFile, htmlReport(report))
}

try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  if (!(error instanceof ConfigError)) throw error
  process.stderr.write(`${error.message}\n`)
  process.exitCode = exitCodeConfig
}
