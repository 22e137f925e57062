// `chargelift tail [CHARGER]`: prints values, presence and edge status from the live events of the HTTP API. When the
// connection ends, the command connects again and continues after the last event. It says where events may be missing.

import { setTimeout as sleep } from 'node:timers/promises'
import { createParser, type EventSourceMessage } from 'eventsource-parser'
import { readCommandLine, unexpectedWord } from '../../model/commandLine.ts'
import { ConfigError, type ConfigFault } from '../../model/errors.ts'
import { chargerNameRule, isChargerName } from '../../model/wire/topics.ts'
import { untilStopped } from '../process/signals.ts'
import { AskFault, open, refused } from './ask.ts'
import { harmless, reasonOf } from './figures.ts'
import { addressHelp, addressOptions, readAddress, type ServerAddress } from './flags.ts'
import { jsonLines, textLines } from './lines.ts'

export const help = (): string => `Usage: chargelift tail [CHARGER] [flags]

Prints each value when it is committed: SamplingTime in UTC, charger, name, value. It also prints
which chargers come online and go offline, and the status of edges. Under load, only the newest of
several values within a moment is shown. Ctrl-C ends it.

Flags:
  --json               print a JSON object per line
${addressHelp}
  --help               this text

Example: chargelift tail wallbox-1 --json
`

const specs = { ...addressOptions, json: { type: 'boolean' } } as const

interface Flags {
  readonly address: ServerAddress
  readonly charger: string | undefined
  readonly isJson: boolean
}

const pauseMsMin = 500
const pauseMsMax = 10_000
/** Longer than two ping intervals of the server, which are 15 s each. */
const silenceMsMax = 40_000

/** Throws ConfigError with all faults, also when the server refuses the request. */
export async function run(args: readonly string[]): Promise<void> {
  const flags = readFlags(args)
  const stop = new AbortController()
  untilStopped().then(() => stop.abort())
  // A reader such as head may close the pipe early. This is no fault.
  process.stdout.on('error', () => process.exit())
  await follow(flags, stop.signal)
}

async function follow(flags: Flags, signal: AbortSignal): Promise<void> {
  const place = { lastId: '' }
  let pauseMs = pauseMsMin
  while (!signal.aborted) {
    const reason = await readOnce(flags, place, signal, () => {
      if (pauseMs > pauseMsMin) tell('connected')
      pauseMs = pauseMsMin
    })
    if (signal.aborted) return
    if (pauseMs === pauseMsMin) tell(`${reason}; trying again`)
    await sleep(pauseMs, undefined, { signal }).catch(() => {})
    pauseMs = Math.min(pauseMsMax, pauseMs * 2)
  }
}

/** Resolves with the reason when the connection has ended. Every complete event updates `place`. */
async function readOnce(
  { address, charger, isJson }: Flags,
  place: { lastId: string },
  signal: AbortSignal,
  connected: () => void
): Promise<string> {
  const silence = new AbortController()
  const both = AbortSignal.any([signal, silence.signal])
  let timer: NodeJS.Timeout | undefined
  const heard = (): void => {
    clearTimeout(timer)
    timer = setTimeout(() => silence.abort(), silenceMsMax)
  }
  heard()
  try {
    const path = charger === undefined ? '/api/v1/events' : `/api/v1/events?charger=${encodeURIComponent(charger)}`
    const lastId = place.lastId === '' ? {} : { 'last-event-id': place.lastId }
    const response = await open(address, path, { accept: 'text/event-stream', ...lastId }, both)
    connected()
    const parser = createParser({
      onId: id => {
        place.lastId = id
      },
      onEvent: event => print(event, isJson)
    })
    for await (const text of response.setEncoding('utf8')) {
      heard()
      parser.feed(text as string)
    }
    return 'the server has ended the connection'
  } catch (error) {
    if (error instanceof AskFault) throw refused(error)
    return silence.signal.aborted ? 'nothing comes from the server' : reasonOf(error as Error)
  } finally {
    clearTimeout(timer)
  }
}

function print(event: EventSourceMessage, isJson: boolean): void {
  if (event.event === 'reset') tell('some values may be missing here: the server has gone on without us')
  const lines = isJson ? jsonLines(event) : textLines(event)
  process.stdout.write(lines.map(line => `${line}\n`).join(''))
}

function readFlags(args: readonly string[]): Flags {
  const faults: ConfigFault[] = []
  const { values, words } = readCommandLine('tail', args, specs, faults)
  const address = readAddress(values, faults)
  const [charger, ...more] = words
  if (charger !== undefined && !isChargerName(charger)) {
    faults.push({ path: 'CHARGER', expected: chargerNameRule, found: JSON.stringify(charger) })
  }
  if (more.length > 0) faults.push(unexpectedWord('tail', more.join(' ')))
  if (faults.length > 0) throw new ConfigError(faults)
  return { address, charger, isJson: values.json ?? false }
}

/** Prints to standard error, because standard output is for the values. */
const tell = (text: string): void => {
  process.stderr.write(`${new Date().toISOString()} ${harmless(text)}\n`)
}
