// `chargelift server`: runs until SIGTERM or Ctrl-C; a second signal forces the end.

import { pino } from 'pino'
import { parseServerConfig, serverFlagsHelp } from '../server/config.ts'
import { startServer } from '../server/server.ts'
import { untilStopped } from './signals.ts'

export const serverHelp = (): string => `Usage: chargelift server [flags]

Receives readings over MQTT with mutual TLS and commits them to the database; acknowledges after the commit.
Each flag is also an environment variable. Logs are JSON on standard output.

${serverFlagsHelp()}
`

/** Returns when the server has stopped. Throws ConfigError. */
export async function serverCommand(args: readonly string[]): Promise<void> {
  const config = parseServerConfig(args)
  const log = pino({ level: config.logLevel })
  const server = await startServer(config, log)
  const signal = await untilStopped()
  log.info({ event: 'stopping', signal }, 'stopping')
  const clean = await server.stop()
  log.info({ event: 'stopped', clean }, clean ? 'stopped' : 'stopped; unacknowledged messages will be sent again')
}
