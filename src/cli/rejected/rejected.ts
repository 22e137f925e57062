// `chargelift rejected list|replay`: lists or replays messages that were acknowledged but not stored as readings.

import type pg from 'pg'
import { ConfigError, type ConfigFault } from '../../model/errors.ts'
import { chargerNameRule, isChargerName } from '../../model/wire/topics.ts'
import type { ServerConfig } from '../../server/config.ts'
import { newestRejected, type RejectedFilter, type RejectedRow } from '../../server/store/rejectedReplay.ts'
import { databaseOptions, serverConfigOf, withDatabase } from '../shared/database.ts'
import { helpOf, readNoun, refuseMore } from '../shared/noun.ts'
import { timeMs, timeRule } from '../shared/times.ts'
import { printCounts } from './counts.ts'
import { rejectedHelp } from './help.ts'
import { replay } from './replay.ts'

const noun = {
  name: 'rejected',
  actions: ['list', 'replay'],
  flags: {
    charger: { type: 'string', expected: 'the name of a charger' },
    code: { type: 'string', expected: 'a code such as time_out_of_window' },
    since: { type: 'string', expected: timeRule },
    limit: { type: 'string', expected: 'a whole number' },
    json: { type: 'boolean' },
    'shift-seconds': { type: 'string', expected: 'a whole number of seconds' },
    'dry-run': { type: 'boolean' },
    'accept-past-days': { type: 'string', expected: 'a number of days' },
    ...databaseOptions
  },
  only: { limit: ['list'], json: ['list'], 'shift-seconds': ['replay'], 'dry-run': ['replay'] }
} as const
const serverFlags = ['accept-past-days', ...Object.keys(databaseOptions)]

export const help = (args: readonly string[]): string => helpOf(noun.name, rejectedHelp, args)

interface Flags {
  readonly action: 'list' | 'replay'
  readonly filter: RejectedFilter
  readonly limit: number
  readonly json: boolean
  readonly dryRun: boolean
  readonly shiftUs: number
  readonly server: ServerConfig
}

/** Throws ConfigError with all faults. */
export async function run(args: readonly string[]): Promise<void> {
  const flags = readFlags(args)
  await withDatabase(flags.server, 'rejected_messages', (db, databaseUrl) =>
    flags.action === 'list' ? list(db, flags) : replay(db, databaseUrl, flags)
  )
}

async function list(db: pg.Pool, { filter, limit, json }: Flags): Promise<void> {
  const rows = await newestRejected(db, filter, limit)
  if (json) {
    for (const row of rows) print(JSON.stringify(plain(row)))
    return
  }
  for (const row of rows.reverse()) print(lineOf(row))
  await printCounts(db, filter)
}

const excerptCharacters = 160

function lineOf({ received_at, identity, topic, code, reason, payload }: RejectedRow): string {
  const text = payload.toString('utf8').replaceAll(/\p{C}/gu, '?')
  const excerpt = text.length > excerptCharacters ? `${text.slice(0, excerptCharacters)}...` : text
  return `${received_at.toISOString()}  ${identity}  ${topic}  ${code}\n    ${reason}\n    ${excerpt}`
}

/** The JSON of a row. A payload that is not UTF-8 text is in base64. */
function plain({ received_at, identity, topic, code, reason, payload }: RejectedRow): object {
  const text = payload.toString('utf8')
  const isText = Buffer.from(text).equals(payload)
  const body = isText ? { payload: text } : { payloadBase64: payload.toString('base64') }
  return { receivedAt: received_at.toISOString(), identity, topic, code, reason, ...body }
}

function readFlags(args: readonly string[]): Flags {
  const faults: ConfigFault[] = []
  const { action, command, values, words } = readNoun(noun, args, faults)
  refuseMore(command, words, faults)
  const { charger, code, since } = values
  if (charger !== undefined && !isChargerName(charger)) {
    faults.push({ path: '--charger', expected: chargerNameRule, found: JSON.stringify(charger) })
  }
  const sinceMs = since === undefined ? undefined : timeMs(since)
  if (Number.isNaN(sinceMs)) {
    faults.push({ path: '--since', expected: timeRule, found: JSON.stringify(since) })
  }
  const limit = wholeNumber(values.limit ?? '20', '--limit', faults)
  if (limit < 1) faults.push({ path: '--limit', expected: '1 or more', found: String(limit) })
  const shiftSeconds = wholeNumber(values['shift-seconds'] ?? '0', '--shift-seconds', faults)
  const server = serverConfigOf(values, serverFlags, faults)
  if (faults.length > 0) throw new ConfigError(faults)
  return {
    action: action!,
    filter: { charger, code, sinceMs },
    limit,
    json: values.json ?? false,
    dryRun: values['dry-run'] ?? false,
    shiftUs: shiftSeconds * 1_000_000,
    server: server!
  }
}

function wholeNumber(text: string, path: string, faults: ConfigFault[]): number {
  if (/^[+-]?\d{1,12}$/.test(text)) return Number(text)
  faults.push({ path, expected: 'a whole number', found: JSON.stringify(text) })
  return 1
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}
