// `chargelift export sessions|readings|energy|month`: all rows of a range, as CSV or JSON, to a file or to standard output. Reads
// the database itself, so it needs no server that runs. Progress goes to standard error, and to a terminal alone.

import { createWriteStream } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { parseArgs } from 'node:util'
import type pg from 'pg'
import { type ListedCharger, listChargers } from '../../history/query/chargerList.ts'
import { type EnergyResolution, energyResolutions } from '../../history/query/energy.ts'
import { type ExportKind, exportKinds, exportText } from '../../history/query/export.ts'
import type { ExportFormat, Separator } from '../../history/query/exportText.ts'
import { boundOf, boundRule, momentOf, type Within } from '../../history/query/within.ts'
import { Zones } from '../../history/zone.ts'
import { ConfigError, type ConfigFault } from '../../model/errors.ts'
import type { ServerConfig } from '../../server/config.ts'
import { databaseOptions, databaseOptionsHelp, serverConfigOf, withDatabase } from '../shared/database.ts'
import { exportPageRows } from './limits.ts'

export const exportHelp = `Usage: chargelift export sessions|readings|energy|month --from TIME [--to TIME] [flags]

  sessions  charging sessions that ended within, and where that reaches the present those that are open
  readings  what is stored of each charger, by time; what did not change is repeated, for a day at most
  energy    energy, mean and peak power by charger and quarter hour, hour, day or month
  month     the lines of the statements of closed months ("chargelift month close")

Evidence for cost allocation and reimbursement, not metering under calibration law.

Options:
  --from TIME          ${boundRule}; days begin at midnight of each charger's site
  --to TIME            not included itself (now)
  --charger NAME       of this charger alone
  --site NAME          of the chargers of this site
  --format FORMAT      csv (UTF-8, times with offset, units in the header) | json (csv)
  --separator WORD     comma | semicolon, with decimal commas (comma); for csv
  --resolution R       of energy: ${energyResolutions.join(' | ')} (1d)
  --output FILE        instead of standard output; it is there when it is complete
${databaseOptionsHelp}
  --read-database-url URL  where to read instead, for example a replica: it lags by what it has not got yet
  --help               this text

Exit codes: 0 done, 78 the flags or the database have faults (all are printed).
`

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
export async function exportCommand(args: readonly string[]): Promise<void> {
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
    mayReadCards: true, // whoever reads the database reads all of it
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

/** Who reads may have had enough: `| head`. */
async function toStandardOutput(pieces: AsyncGenerator<string>): Promise<void> {
  try {
    await pipeline(Readable.from(pieces, { objectMode: true, highWaterMark: 2 }), process.stdout, { end: false })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPIPE') throw error
  }
}

/** Under another name first: nobody takes a part for the whole. */
async function toFile(pieces: AsyncGenerator<string>, path: string): Promise<void> {
  const unfinished = `${path}.part`
  try {
    await pipeline(Readable.from(pieces, { objectMode: true, highWaterMark: 2 }), createWriteStream(unfinished))
    await rename(unfinished, path)
  } catch (error) {
    await rm(unfinished, { force: true })
    const { code, message } = error as NodeJS.ErrnoException
    if (code !== 'ENOENT' && code !== 'EACCES' && code !== 'EISDIR') throw error
    throw new ConfigError([{ path: '--output', expected: 'a file that can be written', found: message }])
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

const ownOptions = {
  from: { type: 'string' },
  to: { type: 'string' },
  charger: { type: 'string' },
  site: { type: 'string' },
  format: { type: 'string' },
  separator: { type: 'string' },
  resolution: { type: 'string' },
  output: { type: 'string' }
} as const
const serverOptions = { ...databaseOptions, 'read-database-url': { type: 'string' } } as const

function readFlags(args: readonly string[]): Flags {
  const faults: ConfigFault[] = []
  const { values, positionals } = parse(args)
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
  const kind = word('export', exportKinds, positionals.length > 1 ? positionals.join(' ') : positionals[0])
  const within = {
    from: bound('--from', values.from),
    to: values.to === undefined ? { timeUs: Date.now() * 1000 } : bound('--to', values.to)
  }
  const format = word('--format', ['csv', 'json'] as const, values.format ?? 'csv')
  const separator = word('--separator', ['comma', 'semicolon'] as const, values.separator ?? 'comma')
  const resolution = word('--resolution', energyResolutions, values.resolution ?? '1d')
  if (values.resolution !== undefined && kind !== 'energy')
    faults.push({ path: '--resolution', expected: 'it with energy', found: `it with ${kind}` })
  const server = serverConfigOf(values, Object.keys(serverOptions), faults)
  const utc = new Zones().of('UTC')
  if (faults.length === 0 && momentOf(within.from, utc) >= momentOf(within.to, utc))
    faults.push({ path: '--from', expected: 'a time before --to', found: values.from! })
  if (faults.length > 0) throw new ConfigError(faults)
  const { charger, site, output } = values
  return { kind, within, charger, site, format, separator, resolution, output, server: server! }
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], allowPositionals: true, options: { ...ownOptions, ...serverOptions } })
  } catch (cause) {
    throw new ConfigError([{ path: 'flags', expected: 'flags of --help', found: (cause as Error).message }], { cause })
  }
}
