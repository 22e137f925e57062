// `chargelift demo` (`npm start`): everything on one machine until Ctrl-C. Logs go to a file, rows to the terminal.

import { join } from 'node:path'
import { pino } from 'pino'
import { type RunningDemo, startDemo } from '../demo/demo.ts'
import { parseServerConfig, serverFlagsHelp } from '../server/config.ts'
import { prepareDataDir } from '../server/dataDir.ts'
import { untilStopped } from './signals.ts'

const isCharger = ([name]: readonly string[]): boolean => name === 'charger'

export const demoHelp = async (args: readonly string[]): Promise<string> =>
  isCharger(args)
    ? (await import('./demo/charger.ts')).chargerHelp
    : `Usage: npm start [-- flags]     (or: chargelift demo [flags])
       chargelift demo charger     the simulated charger alone (demo charger --help)

Server, database, certificates, a simulated charger and an edge that polls it, on this machine.
Shows each row as it is committed. Takes the flags of the server:

${serverFlagsHelp()}
`

/** Returns when all is stopped. Throws ConfigError. */
export async function demoCommand(args: readonly string[]): Promise<void> {
  if (isCharger(args)) return (await import('./demo/charger.ts')).chargerCommand(args.slice(1))
  const config = parseServerConfig(args)
  prepareDataDir(config.dataDir)
  const logFile = join(config.dataDir, 'demo.log')
  const toFile = { level: config.logLevel, stream: pino.destination({ dest: logFile, sync: true }) }
  const toTerminal = { level: 'warn' as const, stream: { write: printWarning } }
  const log = pino({ level: config.logLevel }, pino.multistream([toFile, toTerminal]))
  print(`chargelift demo: starting (the first start makes a database and certificates); log in ${logFile}`)
  const demo = await startDemo({ config, log, print })
  print(
    banner(
      demo,
      `${config.httpTls === undefined ? 'http' : 'https'}://${config.httpHost}:${demo.server.httpPort}`,
      config.databaseUrl === undefined ? join(config.dataDir, 'database.url') : undefined
    )
  )
  await untilStopped()
  print('stopping: storing and acknowledging what is under way')
  await demo.stop()
  print('stopped')
}

const banner = ({ server, chargers, edgeConfigFile }: RunningDemo, http: string, urlFile: string | undefined): string =>
  `
  engine    ${server.engine.name} (${server.engine.description})
  mqtt      mqtts://localhost:${server.mqttPorts.join(', ')}  (mutual TLS)
  http      ${http}/healthz  /readyz  /metrics
  edge      ${edgeConfigFile}  polls ${chargers.join(', ')} (simulated Mennekes Amtron)
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
