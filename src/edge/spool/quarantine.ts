// What happens to a damaged spool: its file is put aside, and a new file takes over what can be read of it. The newest
// of those files stay, for a person to look at. Nothing is taken over that no charger can have said. Acknowledged
// samples are not taken over, because the server has them; neither is the memory of the chargers, because a wrong
// total would be worse than none (energyFile.ts has a second copy).

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

/** Returns the new name of the file. Of earlier ones only the newest stay: a dying card must not be filled. */
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

/** Takes over unsettled samples, with their numbers. Returns how many; never throws. */
export function salvage(damaged: string, into: SpoolFile): number {
  let saved = 0
  try {
    // SQLite would delete the log of an empty file.
    if (statSync(damaged).size === 0) return 0
    const sqlite = new DatabaseSync(damaged, { readOnly: true, defensive: false })
    try {
      // Without it SQLite reads nothing of a file that is too short.
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
    // The rest is in the file that was put aside.
  }
  return saved
}

/** Chargers whose totals are lifetime energy, and do not wait for the total of the server. */
function countedChargers(damaged: DatabaseSync): ReadonlySet<string> {
  const counted = new Set<string>()
  try {
    const rows = damaged.prepare('SELECT charger, memory FROM chargers').iterate() as Iterable<unknown>
    for (const { charger, memory } of rows as Iterable<{ charger: string; memory: string }>) {
      const { energy, seed }: ChargerMemory = JSON.parse(memory)
      if (energy !== undefined && seed === undefined) counted.add(charger)
    }
  } catch {
    // Unknown for chargers that cannot be read.
  }
  return counted
}

/**
 * A total is taken over if it is lifetime energy, and then marked as sent: the new memory may yet learn an offset,
 * which must not be added to old totals. Otherwise it is left out, and the next sample has the total.
 */
function lastingRow(row: Row, table: UnsettledTable, counted: ReadonlySet<string>): Row {
  const { TotalEnergyConsumption: total, ...others } = JSON.parse(row.sample_values)
  if (total === undefined) return row
  if (table === 'backlog' && counted.has(row.charger)) return { ...row, mark: sent }
  return { ...row, sample_values: JSON.stringify(others) }
}

type Keep = (rows: readonly Row[]) => void

/** Reads from the beginning up to the damage, and from the end down to it. */
function salvageTable(damaged: DatabaseSync, table: UnsettledTable, keep: Keep): void {
  const lastSeq = readRows(damaged, table, 'ASC', 0, keep)
  if (lastSeq !== undefined) readRows(damaged, table, 'DESC', lastSeq, keep)
}

/** Returns the number of the last row before the damage; undefined without damage. */
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
  /** The number of the last row. */
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

/** True for a row that this software can have written. */
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
