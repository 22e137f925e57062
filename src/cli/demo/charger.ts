// `chargelift demo charger`: the simulated charger alone, until Ctrl-C, for who wants to try an edge without a charger.

import { parseArgs } from 'node:util'
import { startSimulatedCharger } from '../../demo/simulatedCharger.ts'
import { ConfigError, type ConfigFault } from '../../model/errors.ts'
import { untilStopped } from '../process/signals.ts'

const portDefault = 25_000 // the real one's
const keyDefault = '0000'
const nameDefault = 'demo-charger'
const hostDefault = '127.0.0.1'
const speedMax = 1_000

export const chargerHelp = `Usage: chargelift demo charger [flags]

A Mennekes Amtron that does not exist, on the HTTP API of the real one: it charges, pauses and ends, over and over.
  --port N      its port (${portDefault}); 0 takes a free one
  --host HOST   address it listens on (${hostDefault})
  --key PIN     PIN 1 of its set-up sheet, which an edge has as devKey (${keyDefault})
  --name NAME   what it says that its name is (${nameDefault})
  --speed N     sessions of four minutes are N times as short, 1 to ${speedMax} (1)
`

/** Returns when it has stopped. Throws ConfigError with all faults. */
export async function chargerCommand(args: readonly string[]): Promise<void> {
  const { host, port, devKey, name, speed } = readFlags(args)
  const stopped = untilStopped()
  const charger = await open({ host, port, devKey, name, speed })
  process.stdout.write(`simulated Mennekes Amtron at ${charger.url.replace('127.0.0.1', host)}, devKey "${devKey}"\n`)
  await stopped
  await charger.stop()
}

async function open(options: Parameters<typeof startSimulatedCharger>[0]) {
  try {
    return await startSimulatedCharger(options)
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException
    const path = code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND' ? '--host' : '--port'
    const expected = path === '--host' ? 'an address of this machine' : 'a port that can be listened on'
    const found = code === 'EADDRINUSE' ? `port ${options.port} in use already; choose another` : message
    throw new ConfigError([{ path, expected, found }], { cause })
  }
}

interface Flags {
  readonly host: string
  readonly port: number
  readonly devKey: string
  readonly name: string
  readonly speed: number
}

function readFlags(args: readonly string[]): Flags {
  const faults: ConfigFault[] = []
  const values = parse(args)
  const number = (flag: 'port' | 'speed', usual: number, from: number, to: number): number => {
    const text = values[flag] ?? String(usual)
    const isGood = /^\d+$/.test(text) && Number(text) >= from && Number(text) <= to
    if (!isGood)
      faults.push({ path: `--${flag}`, expected: `a number from ${from} to ${to}`, found: JSON.stringify(text) })
    return Number(text)
  }
  const port = number('port', portDefault, 0, 65_535)
  const speed = number('speed', 1, 1, speedMax)
  if (faults.length > 0) throw new ConfigError(faults)
  const { host = hostDefault, key = keyDefault, name = nameDefault } = values
  return { host, port, devKey: key, name, speed }
}

function parse(args: readonly string[]) {
  const text = { type: 'string' } as const
  try {
    return parseArgs({ args: [...args], options: { port: text, host: text, key: text, name: text, speed: text } })
      .values
  } catch (cause) {
    const expected = 'flags that demo charger --help tells of'
    throw new ConfigError([{ path: 'command line', expected, found: (cause as Error).message }], { cause })
  }
}
