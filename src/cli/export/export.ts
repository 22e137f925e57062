// `chargelift export sessions|readings|energy|month`: writes all rows of a range as CSV or JSON. The command reads the
// database directly, so no server needs to run. Progress goes to standard error, and only to a terminal.

import { createWriteStream } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type pg from 'pg'
import { type ListedCharger, listChargers } from '../../history/query/chargerList.ts'
import { type EnergyResolution, energyResolutions } from '../../history/query/energy.ts'
import { type ExportKind, exportKinds, exportText } from '../../history/query/export.ts'
import type { ExportFormat, Separator } from '../../history/query/exportText.ts'
import { boundOf, boundRule, momentOf, type Within } from '../../history/query/within.ts'
import { Zones } from '../../history/zone.ts'
import { ConfigError, type ConfigFault } from '../../model/errors.ts'
import { isFileError, writeFault } from '../../model/fileFaults.ts'
import type { ServerConfig } from '../../server/config.ts'
import { databaseOptions, serverConfigOf, withDatabase } from '../shared/database.ts'
import { helpOf, readNoun, refuseMore } from '../shared/noun.ts'
import { exportHelp } from './help.ts'
import { exportPageRows } from './limits.ts'

const noun = {
  name: 'export',
  actions: exportKinds,
  flags: {
    from: { type: 'string', expected: boundRule },
    to: { type: 'string', expected: boundRule },
    charger: { type: 'string', expected: 'the name of a charger' },
    site: { type: 'string', expected: 'the name of a site' },
    format: { type: 'string', expected: 'csv|json' },
    separator: { type: 'string', expected: 'comma|semicolon' },
    resolution: { type: 'string', expected: energyResolutions.join('|') },
    output: { type: 'string', expected: 'a file' },
    'read-database-url': databaseOptions['database-url'],
    ...databaseOptions
  },
  only: { resolution: ['energy'] }
} as const
const serverFlags = ['read-database-url', ...Object.keys(databaseOptions)]

export const help = (args: readonly string[]): string => helpOf(noun.name, exportHelp, args)

interface Flags {
  readonly kind: ExportKind
  readonly within: Within
  readonly charger: string | undefined
  readonly site: string | undefined
  readonly format: ExportFormat
  readonly separator: Separator
  readonly resolution: EnergyResolution
  readonly output: string | undefined
  readonly server: ServerConfig
}

/** Throws ConfigError with all faults. */
export async function run(args: readonly string[]): Promise<void> {
  const flags = readFlags(args)
  const { databaseUrl, dataDir, readDatabaseUrl } = flags.server
  await withDatabase({ databaseUrl: readDatabaseUrl ?? databaseUrl, dataDir }, 'charging_sessions', db =>
    write(db, flags)
  )
}

async function write(db: pg.Pool, flags: Flags): Promise<void> {
  const chargers = chosen(await listChargers(db), flags)
  const progress = progressOf(flags.kind)
  const pieces = exportText({
    ...flags,
    db,
    chargers,
    chargerId: flags.charger === undefined ? undefined : chargers[0]!.id,
    zones: new Zones(),
    nowMs: Date.now(),
    pageRows: exportPageRows,
    mayReadCards: true, // a user with access to the database can read all of it
    progress: progress.show
  })
  if (flags.output === undefined) await toStandardOutput(pieces)
  else await toFile(pieces, flags.output)
  progress.end()
}

function chosen(all: readonly ListedCharger[], { charger, site }: Flags): readonly ListedCharger[] {
  const faults: ConfigFault[] = []
  if (charger !== undefined && !all.some(({ name }) => name === charger)) {
    faults.push({ path: '--charger', expected: 'a charger of the database', found: JSON.stringify(charger) })
  }
  if (site !== undefined && !all.some(one => one.site === site)) {
    faults.push({ path: '--site', expected: 'a site that has chargers', found: JSON.stringify(site) })
  }
  if (faults.length > 0) throw new ConfigError(faults)
  return all.filter(one => (charger === undefined || one.name === charger) && (site === undefined || one.site === site))
}

/** A reader such as `| head` may close the pipe early. This is no fault. */
async function toStandardOutput(pieces: AsyncGenerator<string>): Promise<void> {
  try {
    await pipeline(Readable.from(pieces, { objectMode: true, highWaterMark: 2 }), process.stdout, { end: false })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPIPE') throw error
  }
}

/**
 * Writes under another name first, so that nobody mistakes an unfinished file for the whole export. Throws ConfigError
 * when the file cannot be written.
 */
async function toFile(pieces: AsyncGenerator<string>, path: string): Promise<void> {
  const unfinished = `${path}.part`
  try {
    await pipeline(Readable.from(pieces, { objectMode: true, highWaterMark: 2 }), createWriteStream(unfinished))
    await rename(unfinished, path)
  } catch (error) {
    await rm(unfinished, { force: true })
    if (!isFileError(error)) throw error
    throw new ConfigError([writeFault(path, error, '--output')], { cause: error })
  }
}

const progressIntervalMs = 100

function progressOf(kind: ExportKind): { show: (rows: number) => void; end: () => void } {
  if (!process.stderr.isTTY) return { show() {}, end() {} }
  let shownMs = 0
  let rows = 0
  const print = (end: string): void => {
    process.stderr.write(`\r${kind}: ${rows.toLocaleString('en')} rows${end}`)
  }
  return {
    show: count => {
      rows = count
      if (performance.now() - shownMs < progressIntervalMs) return
      shownMs = performance.now()
      print('')
    },
    end: () => print('\n')
  }
}

function readFlags(args: readonly string[]): Flags {
  const faults: ConfigFault[] = []
  const { action: kind, command, values, words } = readNoun(noun, args, faults)
  refuseMore(command, words, faults)
  const word = <Word extends string>(path: string, words: readonly Word[], found: string | undefined): Word => {
    if (words.includes(found as Word)) return found as Word
    faults.push({ path, expected: words.join('|'), found: found === undefined ? 'nothing' : JSON.stringify(found) })
    return words[0]!
  }
  const bound = (path: string, text: string | undefined): Within['from'] => {
    const found = text === undefined ? undefined : boundOf(text)
    if (found === undefined)
      faults.push({ path, expected: boundRule, found: text === undefined ? 'nothing' : JSON.stringify(text) })
    return found ?? { timeUs: 0 }
  }
  const within = {
    from: bound('--from', values.from),
    to: values.to === undefined ? { timeUs: Date.now() * 1000 } : bound('--to', values.to)
  }
  const format = word('--format', ['csv', 'json'] as const, values.format ?? 'csv')
  const separator = word('--separator', ['comma', 'semicolon'] as const, values.separator ?? 'comma')
  const resolution = word('--resolution', energyResolutions, values.resolution ?? '1d')
  const server = serverConfigOf(values, serverFlags, faults)
  const utc = new Zones().of('UTC')
  if (faults.length === 0 && momentOf(within.from, utc) >= momentOf(within.to, utc))
    faults.push({ path: '--from', expected: 'a time before --to', found: values.from! })
  if (faults.length > 0) throw new ConfigError(faults)
  const { charger, site, output } = values
  return { kind: kind!, within, charger, site, format, separator, resolution, output, server: server! }
}
