// `chargelift rejected list|replay`: what was acknowledged and not stored as a reading, and how it gets a second chance.

import { parseArgs } from 'node:util'
import type pg from 'pg'
import { Shadow } from '../../broker/shadow.ts'
import { Ingest } from '../../ingest/ingest.ts'
import { ConfigError, type ConfigFault } from '../../model/errors.ts'
import { Budget } from '../../model/server/budget.ts'
import { chargerNameRule, isChargerName } from '../../model/wire/topics.ts'
import type { ServerConfig } from '../../server/config.ts'
import { LatestWriter } from '../../server/store/latest.ts'
import {
  countRejected,
  newestRejected,
  type RejectedFilter,
  type RejectedRow,
  replayRejected
} from '../../server/store/rejectedReplay.ts'
import { databaseOptions, databaseOptionsHelp, serverConfigOf, withDatabase } from '../shared/database.ts'
import { timeMs, timeRule } from '../shared/times.ts'

export const rejectedHelp = `Usage: chargelift rejected list   [--charger NAME] [--code CODE] [--since TIME] [--limit N] [--json]
       chargelift rejected replay [--charger NAME] [--code CODE] [--since TIME] [--shift-seconds N] [--dry-run]

Rejected messages were acknowledged and are kept in the table rejected_messages, with a code and a reason.
  list    shows the newest of them, and how many there are of each code.
  replay  sends them through the ingest path again, as if they came now. What is stored then leaves the table; what is
          rejected again stays, with its new reason. A conflict stays one: the value that stands was committed first.
          A server may run meanwhile. It may be interrupted at any time, and repeated.

Options:
  --charger NAME       only this charger's
  --code CODE          only this code, for example time_out_of_window or unknown_value_name
  --since TIME         only what was rejected since then, for example ${timeRule}
  --limit N            list at most N (20)
  --json               list as JSON lines, payloads included
  --shift-seconds N    add N seconds to each SamplingTime first (-3600: one hour back), for a clock that was wrong
  --dry-run            only tell what would be replayed
  --accept-past-days N oldest SamplingTime that is stored, in days (400)
${databaseOptionsHelp}
  --help               this text

Exit codes: 0 done, 78 the flags or the database have faults (all are printed).
`

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
export async function rejectedCommand(args: readonly string[]): Promise<void> {
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

async function printCounts(db: pg.Pool, filter: RejectedFilter): Promise<void> {
  const counts = await countRejected(db, filter)
  if (counts.length === 0) print('no rejected messages')
  for (const { code, count } of counts) print(`${String(count).padStart(9)}  ${code}`)
}

async function replay(db: pg.Pool, databaseUrl: string, { filter, shiftUs, dryRun, server }: Flags): Promise<void> {
  if (dryRun) {
    print('would be replayed:')
    await printCounts(db, filter)
    return
  }
  const latest = new LatestWriter(db, error => print(`latest readings not written: ${error.message}`))
  const shadow = new Shadow()
  shadow.watch((topic, entry) => latest.note(topic, entry))
  const ingest = new Ingest({
    databaseUrl,
    workers: 1,
    acceptPastMs: server.acceptPastMs,
    budget: new Budget(server.budgetBytes),
    now: Date.now,
    committed: newest => shadow.advance(newest, 'committed'),
    report: {
      stored() {},
      acknowledged() {},
      kept: ({ code, message }, attempt) => {
        if (attempt === 1) print(`the database does not store, trying again: ${message} (${code})`)
      },
      recovered: () => print('the database stores again'),
      workerDied: error => print(`a worker died, and is replaced: ${error.message}`)
    }
  })
  try {
    const { replayed, skipped } = await replayRejected({
      db,
      ingest,
      filter,
      shiftUs,
      progress: counts => {
        if (process.stdout.isTTY) process.stdout.write(`\r${counts.replayed} replayed`)
      }
    })
    if (process.stdout.isTTY) process.stdout.write('\r')
    print(`${replayed} replayed, ${ingest.counters.committed} of them stored`)
    for (const [code, count] of ingest.counters.rejected) print(`${String(count).padStart(9)}  rejected again: ${code}`)
    if (skipped > 0) print(`${String(skipped).padStart(9)}  skipped: they have no SamplingTime that can be shifted`)
  } finally {
    await ingest.close(stopMs)
    await latest.close()
  }
}
const stopMs = 5_000

const excerptCharacters = 160

function lineOf({ received_at, identity, topic, code, reason, payload }: RejectedRow): string {
  const text = payload.toString('utf8').replaceAll(/\p{C}/gu, '?')
  const excerpt = text.length > excerptCharacters ? `${text.slice(0, excerptCharacters)}...` : text
  return `${received_at.toISOString()}  ${identity}  ${topic}  ${code}\n    ${reason}\n    ${excerpt}`
}

/** A payload that is no text is told in base64. */
function plain({ received_at, identity, topic, code, reason, payload }: RejectedRow): object {
  const text = payload.toString('utf8')
  const isText = Buffer.from(text).equals(payload)
  const body = isText ? { payload: text } : { payloadBase64: payload.toString('base64') }
  return { receivedAt: received_at.toISOString(), identity, topic, code, reason, ...body }
}

const ownOptions = {
  charger: { type: 'string' },
  code: { type: 'string' },
  since: { type: 'string' },
  limit: { type: 'string' },
  json: { type: 'boolean' },
  'shift-seconds': { type: 'string' },
  'dry-run': { type: 'boolean' }
} as const
const serverOptions = { ...databaseOptions, 'accept-past-days': { type: 'string' } } as const
const only: Readonly<Record<string, Flags['action']>> = {
  limit: 'list',
  json: 'list',
  'shift-seconds': 'replay',
  'dry-run': 'replay'
}

function readFlags(args: readonly string[]): Flags {
  const faults: ConfigFault[] = []
  const { values, positionals } = parse(args)
  const action = positionals.length === 1 ? positionals[0] : undefined
  if (action !== 'list' && action !== 'replay') {
    faults.push({ path: 'rejected', expected: 'list or replay', found: positionals.join(' ') || 'nothing' })
  }
  for (const [flag, of] of Object.entries(only)) {
    if (flag in values && action !== undefined && action !== of) {
      faults.push({ path: `--${flag}`, expected: `it with ${of}`, found: `it with ${action}` })
    }
  }
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
  const server = serverConfigOf(values, Object.keys(serverOptions), faults)
  if (faults.length > 0) throw new ConfigError(faults)
  return {
    action: action as Flags['action'],
    filter: { charger, code, sinceMs },
    limit,
    json: values.json ?? false,
    dryRun: values['dry-run'] ?? false,
    shiftUs: shiftSeconds * 1_000_000,
    server: server!
  }
}

function parse(args: readonly string[]) {
  try {
    // A negative number is a value here, not a flag.
    const joined = args.flatMap((arg, i) => (args[i - 1] === '--shift-seconds' ? [] : [joinedWith(arg, args[i + 1])]))
    return parseArgs({ args: joined, allowPositionals: true, options: { ...ownOptions, ...serverOptions } })
  } catch (cause) {
    throw new ConfigError([{ path: 'flags', expected: 'flags of --help', found: (cause as Error).message }], { cause })
  }
}

const joinedWith = (arg: string, next: string | undefined): string =>
  arg === '--shift-seconds' && next !== undefined ? `${arg}=${next}` : arg

function wholeNumber(text: string, path: string, faults: ConfigFault[]): number {
  if (/^[+-]?\d{1,12}$/.test(text)) return Number(text)
  faults.push({ path, expected: 'a whole number', found: JSON.stringify(text) })
  return 1
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}
