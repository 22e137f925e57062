// `chargelift demo charger`: runs the simulated charger alone until Ctrl-C, to try an edge without a real charger.

import { startSimulatedCharger } from '../../demo/simulatedCharger.ts'
import { readCommandLine, unexpectedWord } from '../../model/commandLine.ts'
import { ConfigError, type ConfigFault } from '../../model/errors.ts'
import { untilStopped } from '../process/signals.ts'

const portDefault = 25_000 // the port of the real charger
const keyDefault = '0000'
const nameDefault = 'demo-charger'
const hostDefault = '127.0.0.1'
const speedMax = 1_000

export const chargerHelp = `Usage: chargelift demo charger [flags]

Simulates a Mennekes Amtron with the HTTP API of the real one. It charges, pauses and ends, over and
over, until Ctrl-C.
  --port N      its port (${portDefault}); 0 takes a free one
  --host HOST   the address it listens on (${hostDefault})
  --key PIN     PIN 1 of its set-up sheet, the devKey of an edge (${keyDefault})
  --name NAME   the name that it reports (${nameDefault})
  --speed N     makes sessions of four minutes N times as short, 1 to ${speedMax} (1)
  --help        this text

Example: chargelift demo charger --port 25000 --key 0000
`

/** Runs the charger and returns when it has stopped. Throws ConfigError with all faults. */
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

const specs = {
  port: { type: 'string', expected: 'a number' },
  host: { type: 'string', expected: 'an address of this machine' },
  key: { type: 'string', expected: 'PIN 1' },
  name: { type: 'string', expected: 'a name' },
  speed: { type: 'string', expected: 'a number' }
} as const

function readFlags(args: readonly string[]): Flags {
  const faults: ConfigFault[] = []
  const { values, words } = readCommandLine('demo charger', args, specs, faults)
  if (words.length > 0) faults.push(unexpectedWord('demo charger', words.join(' ')))
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
