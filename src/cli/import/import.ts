// `chargelift import sites|chargers|tariffs|cards FILE.csv`: a dry run, unless --apply is given.

import { readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { parseArgs } from 'node:util'
import { type Imported, importMasterData } from '../../history/billing/import.ts'
import { forms, type MasterDataKind, masterDataKinds } from '../../history/billing/masterData.ts'
import { ConfigError, type ConfigFault } from '../../model/errors.ts'
import type { ServerConfig } from '../../server/config.ts'
import { databaseOptions, databaseOptionsHelp, serverConfigOf, withDatabase } from '../shared/database.ts'

export const importHelp = `Usage: chargelift import sites FILE.csv [--apply]
       chargelift import chargers FILE.csv [--apply]
       chargelift import tariffs FILE.csv [--apply]
       chargelift import cards FILE.csv [--apply]

Sites with their time zones, what is known of chargers, tariffs, and whose cards they are, from a spreadsheet. Without --apply
it only says what would change, also in the costs of sessions. All faults are told at once, with their lines. A file is taken
as a whole or not at all. What is not in the file stays as it is.

Columns, in any order, separated by commas or semicolons:
${masterDataKinds.map(kind => `  ${kind.padEnd(9)} ${forms[kind].columns.join(',')}`).join('\n')}

  sites     time_zone is a name like Europe/Berlin: there begin the days and months of its chargers
  chargers  site and tariff are names that were imported before; an empty cell takes away, an absent column leaves
  tariffs   a line for each window: from and to on the clock of the site, at quarter hours (empty: the whole day);
            valid_from and valid_to are days, both included (empty: without end); what a tariff says from a
            valid_from on is replaced as a whole
  cards     uid as the charger tells it; a card that passes to another person is a second line with another valid_from

Options:
  --apply              do it (a dry run)
${databaseOptionsHelp}
  --help               this text

Exit codes: 0 done, 78 the file, the flags or the database have faults (all are printed).
`

interface Flags {
  readonly kind: MasterDataKind
  readonly file: string
  readonly apply: boolean
  readonly server: ServerConfig
}

/** Throws ConfigError with all faults. */
export async function importCommand(args: readonly string[]): Promise<void> {
  const { kind, file, apply, server } = readFlags(args)
  const text = readText(file)
  await withDatabase(server, 'charging_sessions', async pool => {
    const db = await pool.connect()
    try {
      const imported = await importMasterData(db, { kind, text, file: basename(file), isDryRun: !apply })
      process.stdout.write(report(kind, imported, apply))
    } finally {
      db.release()
    }
  })
}

function report(kind: MasterDataKind, { added, changed, unchanged, sessions }: Imported, apply: boolean): string {
  const lines = [`${kind}: ${added} new, ${changed} changed, ${unchanged} as they were`]
  if (sessions.changed > 0) lines.push(`sessions with another cost: ${sessions.changed}`)
  if (sessions.closed > 0) {
    lines.push(`of them in closed months: ${sessions.closed}; the next month that is closed has them as corrections`)
  }
  if (!apply) lines.push('This was a dry run: nothing has changed. --apply does it.')
  return `${lines.join('\n')}\n`
}

function readText(file: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(file))
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException
    const found = code === 'ERR_ENCODING_INVALID_ENCODED_DATA' ? 'other bytes: save it as "CSV UTF-8"' : message
    throw new ConfigError([{ path: file, expected: 'a CSV file in UTF-8', found }], { cause })
  }
}

function readFlags(args: readonly string[]): Flags {
  const faults: ConfigFault[] = []
  const { values, positionals } = parse(args)
  const [word, file, ...extra] = positionals
  const kind = masterDataKinds.find(kind => kind === word)
  if (kind === undefined) {
    faults.push({ path: 'import', expected: masterDataKinds.join(', '), found: word ?? 'nothing' })
  }
  if (file === undefined) faults.push({ path: 'FILE.csv', expected: 'a CSV file', found: 'nothing' })
  if (extra.length > 0) faults.push({ path: 'arguments', expected: 'nothing more', found: extra.join(' ') })
  const server = serverConfigOf(values, Object.keys(databaseOptions), faults)
  if (faults.length > 0) throw new ConfigError(faults)
  return { kind: kind!, file: file!, apply: values.apply ?? false, server: server! }
}

function parse(args: readonly string[]) {
  try {
    const options = { apply: { type: 'boolean' }, ...databaseOptions } as const
    return parseArgs({ args: [...args], allowPositionals: true, options })
  } catch (cause) {
    throw new ConfigError([{ path: 'flags', expected: 'flags of --help', found: (cause as Error).message }], { cause })
  }
}
