// `chargelift demo` (`npm start`): everything on one machine until Ctrl-C. Logs go to a file, rows to the terminal.

import { join } from 'node:path'
import { pino } from 'pino'
import { type RunningDemo, startDemo } from '../../demo/demo.ts'
import { fleetDefault, fleetMax } from '../../demo/simulatedFleet.ts'
import { ConfigError } from '../../model/errors.ts'
import { parseServerConfig, serverFlagsHelp } from '../../server/config.ts'
import { prepareDataDir } from '../../server/store/dataDir.ts'
import { untilStopped } from '../process/signals.ts'

const isCharger = ([name]: readonly string[]): boolean => name === 'charger'

export const demoHelp = async (args: readonly string[]): Promise<string> =>
  isCharger(args)
    ? (await import('./charger.ts')).chargerHelp
    : `Usage: npm start [-- flags]     (or: chargelift demo [flags])
       chargelift demo charger     the simulated charger alone (demo charger --help)

Server, database, certificates, simulated chargers and an edge that polls them, on this machine.
The dashboard is at the HTTP port. Shows each row of the first chargers as it is committed.

  --fleet N   how many chargers, 1 to ${fleetMax} (${fleetDefault})

Takes the flags of the server as well:

${serverFlagsHelp()}
`

/** Returns when all is stopped. Throws ConfigError. */
export async function demoCommand(args: readonly string[]): Promise<void> {
  if (isCharger(args)) return (await import('./charger.ts')).chargerCommand(args.slice(1))
  const { fleet, rest } = readFleet(args)
  const config = parseServerConfig(rest)
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

/** `--fleet` is the demo's own; all others are the server's. Throws ConfigError. */
function readFleet(args: readonly string[]): { fleet: number; rest: string[] } {
  const rest = [...args]
  const at = rest.findIndex(arg => arg === '--fleet' || arg.startsWith('--fleet='))
  if (at === -1) return { fleet: fleetDefault, rest }
  const [flag, given] = rest.splice(at, rest[at] === '--fleet' ? 2 : 1)
  const found = given ?? flag!.slice('--fleet='.length)
  if (/^\d{1,3}$/.test(found) && Number(found) >= 1 && Number(found) <= fleetMax) return { fleet: Number(found), rest }
  throw new ConfigError([
    { path: '--fleet', expected: `a number of chargers, 1 to ${fleetMax}`, found: found || 'nothing' }
  ])
}

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

/** What the file has as JSON, for a person. The demo polls faster than a real charger likes, on purpose. */
function printWarning(line: string): void {
  const { event, msg, reason } = JSON.parse(line)
  if (event !== 'config_warning') print(`! ${msg}${reason === undefined ? '' : `: ${reason}`}`)
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}
