// The SQLite file of the spool: opening, checks, and the statements of spool.ts. Promises: when a transaction returns,
// it is on disk with its counters (WAL, synchronous FULL), or nothing of it is; the file has at most `maxBytes`. It
// never decides what goes and when. One append writes three small pages: the last of the backlog, the last of the
// acknowledged samples, and the memory of the charger.

import { statSync } from 'node:fs'
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite'
import { spoolLogBytesMax, spoolPageBytes } from './limits.ts'
import { prepareSchema, startedAfter } from './spoolSchema.ts'
import { DamagedError } from './sqliteErrors.ts'
import type { Values } from './thin.ts'

/** Tables of samples that the server does not have: with a time, and undated. */
export type UnsettledTable = 'backlog' | 'held'

/** A row of a table of unsettled samples, in the order of its columns. */
export interface Row {
  readonly seq: number
  readonly charger: string
  /** ms since the Unix epoch; in `held` by the monotonic clock. */
  readonly time_ms: number
  /** JSON object, value name to value. */
  readonly sample_values: string
  /** 1 if none of its states is a change. */
  readonly repeats: number
  /** `backlog.sent`: 1 when it was, or may have been, sent before. `held.boot_id`. */
  readonly mark: number | string
}

/** The counters, and how far each step of thinning has come. */
export interface Tally {
  backlog: number
  held: number
  thinned: number
  dropped: number
  /** By table, the sequence number through which each step was applied. */
  thinnedThrough: Record<UnsettledTable, number[]>
}

const movedRowsAtOnce = 32
const overfullPages = 64
const crampedPages = 48
const rowsAtOnce = 1_024
/** The columns of a `Row`. */
export const rowColumns = (table: UnsettledTable): string =>
  `seq, charger, time_ms, sample_values, repeats, ${table === 'backlog' ? 'sent' : 'boot_id'} AS mark`

export interface SpoolFileOptions {
  readonly path: string
  readonly maxBytes: number
}

export class SpoolFile {
  readonly #sqlite: DatabaseSync
  readonly #statements = new Map<string, StatementSync>()
  readonly #pageBytes: number
  #pagesMax = 0
  /** Changes with its transaction. */
  tally: Tally

  /** `check` reads the whole file. Throws DamagedError, or what SQLite throws. */
  constructor(options: SpoolFileOptions, check: boolean) {
    refuseTruncated(options.path)
    this.#sqlite = new DatabaseSync(options.path)
    try {
      this.#prepare(options.maxBytes, check)
      this.#pageBytes = this.#number('PRAGMA page_size')
      this.#bound(options.maxBytes)
      this.tally = this.#readTally()
    } catch (error) {
      this.#sqlite.close()
      throw error
    }
  }

  #prepare(maxBytes: number, check: boolean): void {
    const logBytes = Math.max(16 * 4_096, Math.min(spoolLogBytesMax, Math.floor(maxBytes / 16)))
    this.#sqlite.exec(`
      PRAGMA locking_mode = EXCLUSIVE;
      PRAGMA page_size = ${spoolPageBytes};
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = FULL;
      PRAGMA busy_timeout = 500;
      PRAGMA cache_size = -1024;
      PRAGMA wal_autocheckpoint = ${Math.floor(logBytes / spoolPageBytes)};
      PRAGMA journal_size_limit = ${logBytes};
    `)
    if (check) {
      const { quick_check } = this.#sqlite.prepare('PRAGMA quick_check(1)').get() as { quick_check: string }
      if (quick_check !== 'ok') throw new DamagedError(quick_check)
    }
    prepareSchema(this.#sqlite)
  }

  /** The last limit: thinning works far below it. A file that is already larger may grow by what making room takes. */
  #bound(maxBytes: number): void {
    const grown = this.#number('PRAGMA page_count') + overfullPages
    this.#pagesMax = Math.max(Math.floor(maxBytes / this.#pageBytes), grown)
    this.#sqlite.exec(`PRAGMA max_page_count = ${this.#pagesMax}`)
  }

  #readTally(): Tally {
    const noted = this.get<{ note: string }>("SELECT note FROM notes WHERE name = 'tally'")
    const before: Partial<Tally> = noted === undefined ? {} : JSON.parse(noted.note)
    return {
      thinned: 0,
      dropped: 0,
      thinnedThrough: { backlog: [], held: [] },
      ...before,
      backlog: this.#number('SELECT count(*) FROM backlog'),
      held: this.#number('SELECT count(*) FROM held')
    }
  }

  noteTally(): void {
    const { thinned, dropped, thinnedThrough } = this.tally
    const note = JSON.stringify({ thinned, dropped, thinnedThrough })
    this.run("INSERT OR REPLACE INTO notes (name, note) VALUES ('tally', ?)", note)
  }

  transaction<T>(work: () => T): T {
    const before = structuredClone(this.tally)
    this.#sqlite.exec('BEGIN IMMEDIATE')
    try {
      const result = work()
      this.#sqlite.exec('COMMIT')
      return result
    } catch (error) {
      this.tally = before
      // Some errors, such as a full disk, have rolled back already.
      if (this.#sqlite.isTransaction) this.#sqlite.exec('ROLLBACK')
      throw error
    }
  }

  /** The number must be free. */
  insert(table: UnsettledTable, { seq, charger, time_ms, sample_values, repeats, mark }: Row): void {
    const sql = `INSERT INTO ${table} VALUES (?, ?, ?, ?, ?, ?)`
    this.run(sql, seq, charger, time_ms, sample_values, repeats, mark)
    this.tally[table]++
  }

  /** Rows after `afterSeq`, through `throughSeq`, by `seq`. */
  rows(table: UnsettledTable, afterSeq: number, throughSeq: number, limit: number): Row[] {
    const sql = `SELECT ${rowColumns(table)} FROM ${table} WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?`
    return this.all<Row>(sql, afterSeq, throughSeq, limit)
  }

  /** All rows, by `seq`, in pages; rows that were passed may be changed and removed meanwhile. */
  *pages(table: UnsettledTable, afterSeq = 0): Generator<readonly Row[]> {
    for (let after = afterSeq; ; ) {
      const rows = this.rows(table, after, Number.MAX_SAFE_INTEGER, rowsAtOnce)
      if (rows.length === 0) return
      yield rows
      after = rows.at(-1)!.seq
    }
  }

  /**
   * Gives consecutive rows new values, or removes them (undefined). The rows are written again side by side: SQLite
   * frees no page that is half full, and splits full pages.
   */
  rewrite(table: UnsettledTable, rows: readonly Row[], valuesOf: (row: Row) => string | undefined): void {
    this.remove(table, rows[0]!.seq, rows.at(-1)!.seq)
    for (const row of rows) {
      const sample_values = valuesOf(row)
      if (sample_values !== undefined) this.insert(table, { ...row, sample_values })
    }
  }

  setValues(table: UnsettledTable, seq: number, values: Values): number {
    return this.run(`UPDATE ${table} SET sample_values = ? WHERE seq = ?`, JSON.stringify(values), seq)
  }

  /** From `firstSeq` through `lastSeq`. */
  remove(table: UnsettledTable, firstSeq: number, lastSeq: number): number {
    const removed = this.run(`DELETE FROM ${table} WHERE seq BETWEEN ? AND ?`, firstSeq, lastSeq)
    this.tally[table] -= removed
    return removed
  }

  markSent(seq: number): void {
    this.run('UPDATE backlog SET sent = 1 WHERE seq = ?', seq)
  }

  settle(firstSeq: number, lastSeq: number, nowMs: number): void {
    const columns = 'seq, charger, time_ms, sample_values, repeats'
    const move = `INSERT OR REPLACE INTO settled SELECT ${columns}, ? FROM backlog WHERE seq BETWEEN ? AND ?`
    for (const [first, last] of steps(firstSeq, lastSeq)) {
      this.run(move, nowMs, first, last)
      this.remove('backlog', first, last)
    }
  }

  /** Puts samples back in line, marked as sent. Returns their number. */
  unsettle(firstSeq: number, lastSeq: number, sinceMs: number): number {
    const where = 'WHERE seq BETWEEN ? AND ? AND time_ms >= ?'
    const columns = 'seq, charger, time_ms, sample_values, repeats'
    let moved = 0
    for (const [first, last] of steps(firstSeq, lastSeq)) {
      this.run(`INSERT INTO backlog SELECT ${columns}, 1 FROM settled ${where}`, first, last, sinceMs)
      moved += this.run(`DELETE FROM settled ${where}`, first, last, sinceMs)
    }
    this.tally.backlog += moved
    return moved
  }

  /** The first acknowledged sample after `afterSeq`. */
  nextSettled(afterSeq: number): number | undefined {
    return this.get<{ seq: number }>('SELECT seq FROM settled WHERE seq > ? ORDER BY seq LIMIT 1', afterSeq)?.seq
  }

  /**
   * Removes those of the `limit` oldest acknowledged samples that were acknowledged before `beforeMs`. The newest
   * sample of all stays: its number must not be given again after a restart.
   */
  removeSettled(limit: number, beforeMs: number, newestSeq: number): number {
    const oldest = 'SELECT seq FROM settled ORDER BY seq LIMIT ?'
    const sql = `DELETE FROM settled WHERE seq IN (${oldest}) AND settled_ms < ? AND seq < ?`
    return this.run(sql, limit, beforeMs, newestSeq)
  }

  /** The stored memory, or undefined. */
  memoryOf(charger: string): unknown {
    const row = this.get<{ memory: string }>('SELECT memory FROM chargers WHERE charger = ?', charger)
    return row && JSON.parse(row.memory)
  }

  putMemory(charger: string, memory: object): void {
    // Not REPLACE: it would also write the page of the index.
    const sql = 'INSERT INTO chargers VALUES (?, ?) ON CONFLICT (charger) DO UPDATE SET memory = excluded.memory'
    this.run(sql, charger, JSON.stringify(memory))
  }

  usedBytes(): number {
    return this.#usedPages() * this.#pageBytes
  }

  /** True when the next transaction may not find room below the limit. */
  isCramped(): boolean {
    return this.#pagesMax - this.#usedPages() < crampedPages
  }

  #usedPages(): number {
    return this.#number('PRAGMA page_count') - this.#number('PRAGMA freelist_count')
  }

  /** The highest number ever given that the file knows. */
  newestSeq(): number {
    const started = this.get<{ note: string }>(`SELECT note FROM notes WHERE name = '${startedAfter}'`)
    const newest = (table: string) => this.#number(`SELECT coalesce(max(seq), 0) FROM ${table}`)
    return Math.max(newest('backlog'), newest('settled'), Number(started?.note ?? 0))
  }

  newestHeld(): number {
    return this.#number('SELECT coalesce(max(seq), 0) FROM held')
  }

  startAfter(seq: number): void {
    this.run('INSERT OR REPLACE INTO notes (name, note) VALUES (?, ?)', startedAfter, String(seq))
  }

  /** Returns how many rows have changed. */
  run(sql: string, ...values: SQLInputValue[]): number {
    return Number(this.#statement(sql).run(...values).changes)
  }

  get<T>(sql: string, ...values: SQLInputValue[]): T | undefined {
    return this.#statement(sql).get(...values) as T | undefined
  }

  all<T>(sql: string, ...values: SQLInputValue[]): T[] {
    return this.#statement(sql).all(...values) as T[]
  }

  #number(sql: string): number {
    return Object.values(this.get<Record<string, number>>(sql) ?? {})[0] ?? 0
  }

  #statement(sql: string): StatementSync {
    const statement = this.#statements.get(sql) ?? this.#sqlite.prepare(sql)
    this.#statements.set(sql, statement)
    return statement
  }

  close(): void {
    this.#sqlite.close()
  }
}

/** Moves rows a few at a time, so that a full file needs hardly any room: each step uses the room of the last. */
function* steps(firstSeq: number, lastSeq: number): Generator<[number, number]> {
  for (let seq = firstSeq; seq <= lastSeq; seq += movedRowsAtOnce) {
    yield [seq, Math.min(lastSeq, seq + movedRowsAtOnce - 1)]
  }
}

/**
 * SQLite takes an empty file for a new one, and would delete its log. But a log is only written for a file with a
 * header.
 */
function refuseTruncated(path: string): void {
  const bytes = (file: string) => statSync(file, { throwIfNoEntry: false })?.size
  if (bytes(path) === 0 && (bytes(`${path}-wal`) ?? 0) > 0) throw new DamagedError('the file was cut to nothing')
}
