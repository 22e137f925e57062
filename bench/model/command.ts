// `fleet-model RESULT.json...`: computes the machines that fleets of several sizes need, from the bench's results of
// fleet, connect-storm and idle-connections. It also compares the same arithmetic with the measured runs in those
// results. costs.json holds earlier measurements for the costs that no result contains.

import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { ConfigError } from '../../src/model/errors.ts'
import { median, type Report, reportFormat } from '../report/result.ts'
import { productName } from '../rig/product.ts'
import { type Fleet, type Machine, type Needs, needsOf, predictedPerSecond, type UnitCosts } from './fleetModel.ts'

const costsFile = new URL('./costs.json', import.meta.url)
const sizes = [1_000, 10_000, 100_000, 1_000_000]

const flags = {
  chargers: 'a number of chargers instead of 1,000 to 1,000,000',
  'poll-seconds': 'between two polls while a car charges (10)',
  values: 'values that change from one poll to the next (4)',
  'active-percent': 'of the chargers, those that charge at the busiest moment (50)',
  'hours-per-day': 'that a charger charges (4)',
  cores: 'of a server machine (4)',
  'memory-gb': 'of a server machine (16)',
  'load-percent': 'how full a core may be at the busiest moment (50)'
} as const
type FlagName = keyof typeof flags

export const fleetModelHelp = (): string => `Usage: npm run bench -- fleet-model [RESULT.json ...] [flags]

${Object.entries(flags)
  .map(([name, help]) => `  --${name.padEnd(16)} ${help}`)
  .join('\n')}
`

/** Returns the model's tables as text. Throws ConfigError for unknown flags, wrong numbers and unreadable results. */
export function fleetModel(args: readonly string[]): string {
  const options = Object.fromEntries(Object.keys(flags).map(name => [name, { type: 'string' } as const]))
  const { values, positionals, tokens } = parseArgs({
    args: [...args],
    options,
    allowPositionals: true,
    strict: false,
    tokens: true
  })
  const unknown = tokens.find(token => token.kind === 'option' && !Object.hasOwn(flags, token.name))
  if (unknown !== undefined) fault('flags', `--${Object.keys(flags).join(', --')}`, args[unknown.index]!)
  const number = (name: FlagName, usual: number): number => {
    const text = values[name]
    if (text === undefined) return usual
    const found = Number(text)
    if (!(found > 0)) fault(`--${name}`, 'a number above 0', String(text))
    return found
  }
  const reports = positionals.map(readReport)
  const costs = costsOf(reports)
  const machine: Machine = {
    cores: number('cores', 4),
    memoryMb: number('memory-gb', 16) * 1024,
    load: number('load-percent', 50) / 100
  }
  const fleet = {
    pollSeconds: number('poll-seconds', 10),
    values: number('values', 4),
    activeShare: number('active-percent', 50) / 100,
    chargingHoursPerDay: number('hours-per-day', 4)
  }
  const chargers = values.chargers === undefined ? sizes : [number('chargers', 1)]
  const fleets = chargers.map(chargers => ({ chargers, ...fleet }))
  return [...table(fleets, costs, machine), '', ...checks(reports)].join('\n')
}

const fault = (path: string, expected: string, found: string): never => {
  throw new ConfigError([{ path, expected, found }])
}

function readReport(path: string): Report {
  try {
    const report = JSON.parse(readFileSync(path, 'utf8')) as Report
    if (report.format === reportFormat) return report
    return fault(path, `results that the bench wrote with --json (format "${reportFormat}")`, String(report.format))
  } catch (error) {
    if (error instanceof ConfigError) throw error
    return fault(path, 'results that the bench wrote with --json', (error as Error).message)
  }
}

/** The costs from the results. Where the results have no figure, the earlier measurements of costs.json apply. */
function costsOf(reports: readonly Report[]): UnitCosts {
  const known = JSON.parse(readFileSync(costsFile, 'utf8')).costs as UnitCosts
  const figures = (scenario: string) =>
    reports.find(report => report.scenario === scenario && processesOf(report) === 1)?.results[productName]
  const one = figures('fleet')
  const storm = figures('connect-storm')
  const idle = figures('idle-connections')
  const single = reports.find(report => report.scenario === 'fleet' && processesOf(report) === 1)
  const several = reports.find(report => report.scenario === 'fleet' && processesOf(report) > 1)?.results[productName]
  return {
    ...known,
    ...(one?.serverUs && { serverUs: one.serverUs }),
    ...(single && { mainUs: mainUsOf(single) }),
    ...(one?.databaseUs && { databaseUs: one.databaseUs }),
    ...(storm?.fullServerMs && { fullHandshakeMs: storm.fullServerMs }),
    ...(storm?.resumedServerMs && { resumedHandshakeMs: storm.resumedServerMs }),
    ...(idle?.kbPerConnection && { kbPerConnection: idle.kbPerConnection }),
    ...(one?.serverUs && several?.serverUs && { sharedFactor: several.serverUs / one.serverUs, foreignUs: 0 })
  }
}

const processesOf = ({ settings }: Report): number => Number(settings['server-processes'] ?? 1)

const mainUsOf = ({ runs }: Report): number =>
  median(runs.filter(({ target }) => target === productName).map(({ cpuUs }) => cpuUs.main ?? 0))

function table(fleets: readonly Fleet[], costs: UnitCosts, machine: Machine): string[] {
  const needs = fleets.map(fleet => needsOf(fleet, costs, machine))
  const row = (label: string, cells: readonly (string | number)[]): string =>
    label.padEnd(40) + cells.map(cell => (typeof cell === 'number' ? short(cell) : cell).padStart(13)).join('')
  return [
    row(
      'chargers',
      fleets.map(({ chargers }) => chargers)
    ),
    ...(
      [
        ['messages per second', need => need.messagesPerSecond],
        ['rows per second', need => need.rowsPerSecond],
        ['server: cores in use', need => need.serverCores],
        ['server: processes', need => need.processes],
        ['server: memory, GB', need => need.serverMemoryMb / 1024],
        [`server: machines of ${machine.cores} cores`, need => need.serverMachines],
        ['database: cores in use', need => need.databaseCores],
        ['rows per year', need => need.rowsPerYear],
        ['GB per year, as rows', need => need.gbPerYear],
        ['GB per year, compressed', need => need.compressedGbPerYear],
        ['all reconnect, full handshakes: s', need => need.stormFullSeconds],
        ['all reconnect, resumed: s', need => need.stormResumedSeconds],
        ['full first', need => need.first]
      ] as readonly (readonly [string, (need: Needs) => string | number])[]
    ).map(([label, of]) => row(label, needs.map(of)))
  ]
}

function checks(reports: readonly Report[]): string[] {
  const lines = reports
    .filter(({ scenario }) => scenario === 'fleet')
    .map(report => {
      const {
        messagesPerSecond,
        serverUs,
        databaseUs,
        generatorUs,
        othersPercent = 0
      } = report.results[productName] ?? {}
      if (!messagesPerSecond || !serverUs || !databaseUs || !generatorUs) return 'a result without figures'
      const costs = { serverUs, databaseUs, generatorUs, mainUs: mainUsOf(report) }
      const { cores } = report.machine
      const processes = processesOf(report)
      const predicted = predictedPerSecond({ cores, processes, ...costs }, 1 - othersPercent / 100)
      const off = Math.round((predicted / messagesPerSecond - 1) * 100)
      const by = `${processes} process${processes === 1 ? '' : 'es'} on ${cores} cores`
      return `${by}: ${short(predicted)} messages/s by arithmetic, ${short(messagesPerSecond)} measured (${off >= 0 ? '+' : ''}${off} %)`
    })
  return lines.length === 0
    ? ['no results of fleet were given to check the arithmetic against', '']
    : ['the same arithmetic for the runs that were measured:', ...lines, '']
}

const short = (value: number): string =>
  value >= 1e6
    ? `${Math.round(value / 1e6).toLocaleString('en-US')} M`
    : value >= 100
      ? Math.round(value).toLocaleString('en-US')
      : value >= 10
        ? value.toFixed(1)
        : value.toFixed(2)
