// `chargelift demo` (`npm start`): runs everything on one machine until Ctrl-C. Logs go to a file, rows to the
// terminal.

import { join } from 'node:path'
import { pino } from 'pino'
import { type RunningDemo, startDemo } from '../../demo/demo.ts'
import { fleetDefault, fleetMax } from '../../demo/simulatedFleet.ts'
import { readCommandLine, unknownCommand } from '../../model/commandLine.ts'
import { ConfigError, type ConfigFault } from '../../model/errors.ts'
import { nearest } from '../../model/nearest.ts'
import { parseServerConfig, type ServerConfig, serverFlagsHelp } from '../../server/config.ts'
import { prepareDataDir } from '../../server/store/dataDir.ts'
import { untilStopped } from '../process/signals.ts'

const isCharger = ([name]: readonly string[]): boolean => name === 'charger'

export const help = async (args: readonly string[]): Promise<string> => {
  if (isCharger(args)) return (await import('./charger.ts')).chargerHelp
  refuseCommand(args)
  return `Usage: npm start [-- flags]     (or: chargelift demo [flags])
       chargelift demo charger     run the simulated charger alone (demo charger --help)

Runs server, database, certificates, simulated chargers and an edge that polls them on this machine.
The dashboard is at the HTTP port. Prints each row of the first chargers as it is committed.

  --fleet N   number of simulated chargers, 1 to ${fleetMax} (${fleetDefault})

The flags of the server work here, too:

${serverFlagsHelp()}

Example: chargelift demo --fleet 20 --http-port 8081
`
}

/** Throws ConfigError when the first argument looks like a command. */
function refuseCommand([name = '--']: readonly string[]): void {
  if (!name.startsWith('-')) throw new ConfigError([unknownCommand('demo', ['charger'], name)])
}

/** Runs the demo and returns when everything has stopped. Throws ConfigError. */
export async function run(args: readonly string[]): Promise<void> {
  if (isCharger(args)) return (await import('./charger.ts')).chargerCommand(args.slice(1))
  refuseCommand(args)
  const { fleet, config } = readFlags(args)
  prepareDataDir(config.dataDir)
  const logFile = join(config.dataDir, 'demo.log')
  const toFile = { level: config.logLevel, stream: pino.destination({ dest: logFile, sync: true }) }
  const toTerminal = { level: 'warn' as const, stream: { write: printWarning } }
  const log = pino({ level: config.logLevel }, pino.multistream([toFile, toTerminal]))
  print(`chargelift demo: starting (the first start makes a database and certificates); log in ${logFile}`)
  const demo = await startDemo({ config, fleet, log, print })
  print(
    banner(
      demo,
      `${config.httpTls === undefined ? 'http' : 'https'}://${browsable(config.httpHost)}:${demo.server.httpPort}`,
      config.databaseUrl === undefined ? join(config.dataDir, 'database.url') : undefined
    )
  )
  await untilStopped()
  print('stopping: storing and acknowledging what is under way')
  await demo.stop()
  print('stopped')
}

/** Throws ConfigError with all faults. */
function readFlags(args: readonly string[]): { fleet: number; config: ServerConfig } {
  const faults: ConfigFault[] = []
  const { fleet, rest } = readFleet(args, faults)
  try {
    const config = parseServerConfig(rest, undefined, undefined, 'demo')
    if (faults.length === 0) return { fleet, config }
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    faults.push(...error.faults)
  }
  throw new ConfigError(faults)
}

/** Takes `--fleet`, which belongs to the demo, from the arguments. `rest` holds the arguments for the server. */
function readFleet(args: readonly string[], faults: ConfigFault[]): { fleet: number; rest: string[] } {
  const rest = [...args]
  const at = rest.findIndex(arg => /^--\w/.test(arg) && nearest(nameOf(arg), ['fleet']) !== undefined)
  if (at === -1) return { fleet: fleetDefault, rest }
  const takesNext = !rest[at]!.includes('=') && rest[at + 1] !== undefined && !rest[at + 1]!.startsWith('--')
  const { values } = readCommandLine('demo', rest.splice(at, takesNext ? 2 : 1), fleetFlags, faults)
  const { fleet = String(fleetDefault) } = values
  const isGood = /^\d{1,3}$/.test(fleet) && Number(fleet) >= 1 && Number(fleet) <= fleetMax
  if (!isGood) faults.push({ path: '--fleet', expected: fleetFlags.fleet.expected, found: fleet || 'nothing' })
  return { fleet: Number(fleet), rest }
}

const fleetFlags = {
  fleet: { type: 'string', expected: `a number of chargers, 1 to ${fleetMax}` }
} as const
const nameOf = (arg: string): string => arg.slice('--'.length).split('=', 1)[0]!

const browsable = (host: string): string =>
  host === '0.0.0.0' || host === '::' ? 'localhost' : host.includes(':') ? `[${host}]` : host

const banner = (
  { server, chargers, edgeConfigFiles }: RunningDemo,
  http: string,
  urlFile: string | undefined
): string =>
  `
  dashboard ${http}/

  engine    ${server.engine.name} (${server.engine.description})
  mqtt      mqtts://localhost:${server.mqttPorts.join(', ')}  (mutual TLS)
  http      ${http}/healthz  /readyz  /metrics  /api/v1/openapi.json
  edge      ${edgeConfigFiles[0]}  polls ${chargers.length === 1 ? chargers[0] : `${chargers.length} chargers`} (simulated Mennekes Amtron)
  database  ${urlFile === undefined ? 'DATABASE_URL' : `psql "$(cat '${urlFile}')"`}

  Each line is a row that is committed (time UTC). Ctrl-C stops everything; the next start goes on with the same data.
`

/**
 * Prints a warning of the log as text. Skips config_warning, because the demo polls too fast for a real charger on
 * purpose.
 */
function printWarning(line: string): void {
  const { event, msg, reason } = JSON.parse(line)
  if (event !== 'config_warning') print(`! ${msg}${reason === undefined ? '' : `: ${reason}`}`)
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}
