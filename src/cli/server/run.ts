// Runs the server until SIGTERM or Ctrl-C. A second signal forces the end.

import { setTimeout as sleep } from 'node:timers/promises'
import { pino } from 'pino'
import { parseServerConfig } from '../../server/config.ts'
import { stopTotalMs } from '../../server/limits.ts'
import { startServer } from '../../server/server.ts'
import { forkOf } from '../process/self.ts'
import { untilStopped } from '../process/signals.ts'
import { Systemd } from '../process/systemd.ts'

/**
 * Ends the process when the server has stopped, also after a stop request before the server was ready. Throws
 * ConfigError.
 */
export async function runServer(args: readonly string[]): Promise<void> {
  const config = parseServerConfig(args)
  const { part, processes } = config
  const log = pino({ level: config.logLevel, ...(part && { base: { pid: process.pid, process: part.number } }) })
  let reload = (): void => {} // set at once, because an unhandled SIGHUP would end the process
  process.on('SIGHUP', () => reload())
  const abort = new AbortController()
  const stopped = untilStopped()
  if (part !== undefined) process.on('message', ({ kind }: { kind?: string }) => kind === 'reload' && reload())
  stopped.then(() => abort.abort())
  // The start may wait for something that cannot be cancelled, for example Redis.
  const gaveUp = stopped.then(() => sleep(stopTotalMs))
  const start = async (): Promise<{ reload(): void; stop(): Promise<boolean> }> => {
    if (part !== undefined || processes === 1) return startServer(config, log, abort.signal)
    const { startProcesses } = await import('../../server/processes.ts')
    return startProcesses(config, log, abort.signal, forkOf(['server', ...args]))
  }
  const server = await Promise.race([start(), gaveUp]).catch(error => {
    if (!abort.signal.aborted) throw error
  })
  if (!server) {
    log.info({ event: 'stopped', clean: true }, 'stopped before it was ready')
    process.exit()
  }
  reload = () => server.reload()
  const systemd = new Systemd(log)
  await systemd.ready(() => true)
  const signal = await stopped
  log.info({ event: 'stopping', signal }, 'stopping')
  void systemd.stopping()
  const clean = await server.stop()
  log.info({ event: 'stopped', clean }, clean ? 'stopped' : 'stopped; unacknowledged messages will be sent again')
  process.exit() // a frozen database would keep a query open, and so the process
}
