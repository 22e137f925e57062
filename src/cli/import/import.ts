// `chargelift import sites|chargers|tariffs|cards FILE.csv`: imports a CSV file. It is a dry run unless --apply is
// given.

import { readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { type Imported, importMasterData } from '../../history/billing/import.ts'
import { type MasterDataKind, masterDataKinds } from '../../history/billing/masterData.ts'
import { ConfigError, type ConfigFault } from '../../model/errors.ts'
import { fileFault, isFileError, readFault } from '../../model/fileFaults.ts'
import type { ServerConfig } from '../../server/config.ts'
import { databaseOptions, serverConfigOf, withDatabase } from '../shared/database.ts'
import { helpOf, readNoun, refuseMore } from '../shared/noun.ts'
import { importHelp } from './help.ts'

const noun = {
  name: 'import',
  actions: masterDataKinds,
  flags: { apply: { type: 'boolean' }, ...databaseOptions },
  only: {}
} as const

export const help = (args: readonly string[]): string => helpOf(noun.name, importHelp, args)

interface Flags {
  readonly kind: MasterDataKind
  readonly file: string
  readonly apply: boolean
  readonly server: ServerConfig
}

/** Throws ConfigError with all faults. */
export async function run(args: readonly string[]): Promise<void> {
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
    if (isFileError(cause)) throw new ConfigError([readFault(file, cause)], { cause })
    if ((cause as NodeJS.ErrnoException).code !== 'ERR_ENCODING_INVALID_ENCODED_DATA') throw cause
    const reason = 'not in UTF-8; save it as "CSV UTF-8"'
    throw new ConfigError([fileFault(file, 'a CSV file in UTF-8', reason)], { cause })
  }
}

function readFlags(args: readonly string[]): Flags {
  const faults: ConfigFault[] = []
  const { action: kind, command, values, words } = readNoun(noun, args, faults)
  const [file, ...extra] = words
  if (kind !== undefined && file === undefined) {
    faults.push({ path: 'FILE.csv', expected: 'a CSV file', found: 'nothing' })
  }
  refuseMore(command, extra, faults)
  const server = serverConfigOf(values, Object.keys(databaseOptions), faults)
  if (faults.length > 0) throw new ConfigError(faults)
  return { kind: kind!, file: file!, apply: values.apply ?? false, server: server! }
}
