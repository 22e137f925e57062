// What becomes of a damaged spool: its file is put aside, and what can still be read of it goes on in a new one.
// Promises: the newest of those files stay for whoever wants to look; nothing is taken over that a charger cannot have
// said. What was acknowledged and the memory of the chargers are not taken over: the server has the one, and of the
// other a wrong total would be worse than none (a second copy of it is in energyFile.ts).

import { existsSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { valueSpecs } from '../../model/wire/chargerState.ts'
import { checkValue } from '../../model/wire/envelope.ts'
import { isChargerName } from '../../model/wire/topics.ts'
import { damagedFilesMax } from './limits.ts'
import type { ChargerMemory } from './samples.ts'
import { type Row, rowColumns, type SpoolFile, type UnsettledTable } from './spoolFile.ts'
import { sent } from './spoolRows.ts'

const suffixes = ['', '-wal', '-shm'] as const
const rowsAtOnce = 256

/**
 * Returns the name that the file has from now on. Of those put aside earlier only the newest stay: a dying card must
 * not be filled.
 */
export function putAside(path: string): string {
  const stamp = new Date().toISOString().replace(/[:.]/g, '-')
  const target = `${path}.damaged-${stamp}`
  for (const suffix of suffixes) {
    if (existsSync(path + suffix)) renameSync(path + suffix, target + suffix)
  }
  for (const old of putAsideEarlier(path).slice(0, -damagedFilesMax)) {
    for (const suffix of suffixes) rmSync(old + suffix, { force: true })
  }
  return target
}

/** Oldest first. */
const putAsideEarlier = (path: string): string[] =>
  readdirSync(dirname(path))
    .filter(name => name.startsWith(`${basename(path)}.damaged-`) && !/-(wal|shm)$/.test(name))
    .sort()
    .map(name => join(dirname(path), name))

/** Takes unsettled samples over, with their numbers. Returns how many; never throws. */
export function salvage(damaged: string, into: SpoolFile): number {
  let saved = 0
  try {
    // SQLite would throw its log away.
    if (statSync(damaged).size === 0) return 0
    const sqlite = new DatabaseSync(damaged, { readOnly: true, defensive: false })
    try {
      // Else nothing at all is read of a file that is shorter than it should be.
      sqlite.exec('PRAGMA writable_schema = ON')
      const counted = countedChargers(sqlite)
      for (const table of ['backlog', 'held'] as const) {
        salvageTable(sqlite, table, rows => {
          into.transaction(() => {
            for (const row of rows) into.insert(table, lastingRow(row, table, counted))
          })
          saved += rows.length
        })
      }
    } finally {
      sqlite.close()
    }
  } catch {
    // What could not be taken over is in the file that was put aside.
  }
  return saved
}

/** Chargers whose totals are lifetime energy already, and do not wait for what the server had. */
function countedChargers(damaged: DatabaseSync): ReadonlySet<string> {
  const counted = new Set<string>()
  try {
    const rows = damaged.prepare('SELECT charger, memory FROM chargers').iterate() as Iterable<unknown>
    for (const { charger, memory } of rows as Iterable<{ charger: string; memory: string }>) {
      const { energy, seed }: ChargerMemory = JSON.parse(memory)
      if (energy !== undefined && seed === undefined) counted.add(charger)
    }
  } catch {
    // Of a charger that cannot be read it is not known.
  }
  return counted
}

/**
 * A total is taken over where it is a lifetime's, and as one that was sent: the new file's charger may yet learn an
 * offset, which is not for the old totals. Elsewhere it is left out, and the next sample tells the total.
 */
function lastingRow(row: Row, table: UnsettledTable, counted: ReadonlySet<string>): Row {
  const { TotalEnergyConsumption: total, ...others } = JSON.parse(row.sample_values)
  if (total === undefined) return row
  if (table === 'backlog' && counted.has(row.charger)) return { ...row, mark: sent }
  return { ...row, sample_values: JSON.stringify(others) }
}

type Keep = (rows: readonly Row[]) => void

/** From the beginning up to the damage, and from the end down to it. */
function salvageTable(damaged: DatabaseSync, table: UnsettledTable, keep: Keep): void {
  const lastSeq = readRows(damaged, table, 'ASC', 0, keep)
  if (lastSeq !== undefined) readRows(damaged, table, 'DESC', lastSeq, keep)
}

/** Returns the number of the last row before the damage; undefined where there is none. */
function readRows(
  damaged: DatabaseSync,
  table: UnsettledTable,
  order: 'ASC' | 'DESC',
  afterSeq: number,
  keep: Keep
): number | undefined {
  const sql = `SELECT ${rowColumns(table)} FROM ${table} WHERE seq > ? ORDER BY seq ${order}`
  const rows = damaged.prepare(sql).iterate(afterSeq) as Iterator<unknown> as Iterator<Row>
  for (let lastSeq = afterSeq; ; ) {
    const { whole, seq, end } = nextRows(rows, table)
    keep(whole)
    lastSeq = seq ?? lastSeq
    if (end !== undefined) return end === 'damage' ? lastSeq : undefined
  }
}

interface ReadRows {
  readonly whole: readonly Row[]
  /** Of the last one. */
  readonly seq: number | undefined
  readonly end: 'damage' | 'none left' | undefined
}

function nextRows(rows: Iterator<Row>, table: UnsettledTable): ReadRows {
  const whole: Row[] = []
  let seq: number | undefined
  try {
    for (let i = 0; i < rowsAtOnce; i++) {
      const { done, value } = rows.next()
      if (done) return { whole, seq, end: 'none left' }
      seq = value.seq
      if (isWhole(value, table)) whole.push(value)
    }
  } catch {
    return { whole, seq, end: 'damage' }
  }
  return { whole, seq, end: undefined }
}

/** Something that this software wrote. */
function isWhole({ seq, charger, time_ms, sample_values, repeats, mark }: Row, table: UnsettledTable): boolean {
  if (!Number.isSafeInteger(seq) || !Number.isSafeInteger(time_ms) || !isChargerName(charger)) return false
  if (typeof repeats !== 'number' || typeof mark !== (table === 'backlog' ? 'number' : 'string')) return false
  try {
    const values = Object.entries(JSON.parse(sample_values))
    for (const [name, value] of values) checkValue(value, valueSpecs.find(spec => spec.name === name)!)
    return true
  } catch {
    return false
  }
}
