// `chargelift top`: shows the throughput of a server and the problems of its chargers, read from the HTTP API. On a
// terminal the view is drawn again at each turn. Elsewhere each turn prints a line. If the server does not answer, the
// command asks again.

import { setTimeout as sleep } from 'node:timers/promises'
import type { IngestFigures, ProblemsAnswer } from '../../model/api/api.ts'
import { readCommandLine, unexpectedWord } from '../../model/commandLine.ts'
import { ConfigError, type ConfigFault } from '../../model/errors.ts'
import { untilStopped } from '../process/signals.ts'
import { AskFault, ask, refused } from './ask.ts'
import { fit, harmless } from './figures.ts'
import { addressHelp, addressOptions, readAddress, type ServerAddress } from './flags.ts'
import { summary, view } from './view.ts'

export const help = (): string => `Usage: chargelift top [flags]

Shows messages a second, what waits in each lane, what was rejected and why, how long commits and
acknowledgements take, and which chargers have problems, newest first. Ctrl-C ends it. If standard
output is not a terminal, it prints a line at every turn.

Flags:
  --once               print the view once and end: 0 when the database is up, else 1
  --interval SECONDS   pause between two turns, 1 to 3600 (2)
${addressHelp}
  --help               this text

Example: chargelift top --url https://cloud.example.com:8080 --token-file viewer.token
`

const specs = {
  ...addressOptions,
  once: { type: 'boolean' },
  interval: { type: 'string', expected: 'a whole number, 1 to 3600' }
} as const

interface Flags {
  readonly address: ServerAddress
  readonly isOnce: boolean
  readonly intervalMs: number
}

interface Seen {
  readonly figures: IngestFigures
  readonly problems: ProblemsAnswer['problems']
}

const widthDefault = 80
const heightDefault = 24

/** Throws ConfigError with all faults, also when the server refuses the request. */
export async function run(args: readonly string[]): Promise<void> {
  const flags = readFlags(args)
  if (flags.isOnce) return once(flags)
  const stop = new AbortController()
  untilStopped().then(() => stop.abort())
  const isTerminal = process.stdout.isTTY === true
  if (isTerminal) process.stdout.write(hideCursor)
  try {
    await renew(flags, stop.signal, isTerminal)
  } finally {
    if (isTerminal) process.stdout.write(showCursor)
  }
}

async function once({ address }: Flags): Promise<void> {
  const seen = await look(address).catch(failed)
  if (seen instanceof Error) process.stderr.write(`${harmless(seen.message)}\n`)
  else {
    const width = process.stdout.columns ?? widthDefault
    print(view(seen.figures, seen.problems, { width, height: Number.POSITIVE_INFINITY }))
  }
  if (seen instanceof Error || !seen.figures.database.up) process.exitCode = 1
}

async function renew({ address, intervalMs }: Flags, signal: AbortSignal, isTerminal: boolean): Promise<void> {
  let shown: readonly string[] = []
  while (!signal.aborted) {
    const seen = await look(address).catch(failed)
    const { columns: width = widthDefault, rows: height = heightDefault } = process.stdout
    if (seen instanceof Error) {
      const line = `${new Date().toISOString()}  ${harmless(seen.message)}`
      if (isTerminal) draw([fit(line, width), ...shown.slice(1)])
      else print([line])
    } else if (isTerminal) {
      shown = view(seen.figures, seen.problems, { width, height: height - 1 })
      draw(shown)
    } else print([summary(seen.figures)])
    await sleep(intervalMs, undefined, { signal }).catch(() => {})
  }
}

async function look(address: ServerAddress): Promise<Seen> {
  const [figures, { problems }] = await Promise.all([
    ask<IngestFigures>(address, '/api/v1/ingest'),
    ask<ProblemsAnswer>(address, '/api/v1/problems')
  ])
  return { figures, problems }
}

/**
 * Returns an error that may be temporary, so that it is shown. Throws ConfigError for a refusal, which ends the
 * command.
 */
function failed(error: Error): Error {
  if (error instanceof AskFault) throw refused(error)
  return error
}

function readFlags(args: readonly string[]): Flags {
  const faults: ConfigFault[] = []
  const { values, words } = readCommandLine('top', args, specs, faults)
  const address = readAddress(values, faults)
  const seconds = /^\d{1,4}$/.test(values.interval ?? '2') ? Number(values.interval ?? '2') : 0
  if (seconds < 1 || seconds > 3_600) {
    faults.push({ path: '--interval', expected: 'a whole number, 1 to 3600', found: JSON.stringify(values.interval) })
  }
  if (words.length > 0) faults.push(unexpectedWord('top', words.join(' ')))
  if (faults.length > 0) throw new ConfigError(faults)
  return { address, isOnce: values.once ?? false, intervalMs: seconds * 1000 }
}

const control = '\u001b['
const hideCursor = `${control}?25l`
const showCursor = `${control}?25h`
/** Overwrites the screen line by line, because clearing the screen first would flicker. */
const draw = (lines: readonly string[]): void => {
  process.stdout.write(`${control}H${lines.map(line => `${line}${control}K\n`).join('')}${control}J`)
}
const print = (lines: readonly string[]): void => {
  process.stdout.write(lines.map(line => `${line}\n`).join(''))
}
