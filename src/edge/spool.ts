// The edge's disk: every sample until the server has acknowledged it, and per charger its last state and its energy.
// Promises: a sample and the state that it leads to are on disk together, or neither is (one transaction, WAL, synchronous
// FULL); sequence numbers only rise; what was not settled is there after a crash; the file never outgrows its bound.
// When it is full the oldest samples go first and are counted. A damaged file is put aside, never deleted.

import { existsSync, mkdirSync, renameSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import type { ChargerValues } from '../model/chargerState.ts'
import { ConfigError } from '../model/errors.ts'
import type { KnownValues } from './diff.ts'
import type { EnergyState } from './energy.ts'

/** What one charger was like after its last spooled sample. */
export interface ChargerMemory {
  /** The last sampling time, ms since the Unix epoch. */
  readonly timeMs: number
  readonly known: KnownValues
  readonly energy?: EnergyState
  readonly serial?: string
}

/** The changed values of one poll. */
export interface NewSample {
  readonly charger: string
  readonly timeMs: number
  readonly values: Readonly<Partial<ChargerValues>>
}

export interface SpooledSample extends NewSample {
  readonly seq: number
  /** It was sent before, and no acknowledgement came. */
  readonly sentBefore: boolean
}

export interface SpoolOptions {
  readonly path: string
  readonly maxBytes: number
  /** Called when a damaged file was put aside, at the start or later. */
  readonly onQuarantine?: (file: string, cause: unknown) => void
  /** Called when samples went unsent because the spool was full. */
  readonly onDropped?: (count: number) => void
}

/** Opens the spool, or starts a new one in place of a damaged file. Throws ConfigError where that cannot be. */
export function openSpool(options: SpoolOptions): Spool {
  try {
    mkdirSync(dirname(options.path), { recursive: true })
    return new Spool(options)
  } catch (cause) {
    const busy = primaryCode(cause) === sqliteBusy
    const expected = busy ? 'a file that no other edge uses' : 'a file that can be written'
    const found = `${options.path}: ${(cause as Error).message}`
    throw new ConfigError([{ path: 'spool.path', expected, found }], { cause })
  }
}

const schemaVersion = 1
const schema = `
  CREATE TABLE samples (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,  -- never used twice, also when the table was empty in between
    charger TEXT NOT NULL,
    time_ms INTEGER NOT NULL,
    sample_values TEXT NOT NULL,            -- JSON object, value name to value
    sent INTEGER NOT NULL DEFAULT 0
  ) STRICT;
  CREATE TABLE chargers (charger TEXT PRIMARY KEY, memory TEXT NOT NULL) STRICT;
  PRAGMA user_version = ${schemaVersion};
`
const pageBytes = 4096
/** Room for what a transaction needs beside its rows: above it samples are dropped. */
const fullShare = 0.9
const dropRowsAtOnce = 256

export class Spool {
  readonly #options: SpoolOptions
  #db: Database
  /** Acknowledged since the last transaction. */
  #settled = new Set<number>()
  #newestSeq: number
  #dropped = 0

  constructor(options: SpoolOptions) {
    this.#options = options
    this.#db = this.#open()
    this.#newestSeq = this.#db.newestSeq()
  }

  /** The highest sequence number ever given. */
  get newestSeq(): number {
    return this.#newestSeq
  }

  /** Samples that were dropped since the start because the spool was full. */
  get dropped(): number {
    return this.#dropped
  }

  /** Samples without acknowledgement. */
  unsettledCount(): number {
    return this.#guard(db => db.count()) - this.#settled.size
  }

  hasUnsettled(): boolean {
    return this.page(0, this.#newestSeq, 1).length > 0
  }

  /** Bytes in use within the file. */
  usedBytes(): number {
    return this.#guard(db => db.usedBytes())
  }

  memoryOf(charger: string): ChargerMemory | undefined {
    return this.#guard(db => db.memoryOf(charger))
  }

  /**
   * Puts the sample, what the charger is like after it and all pending settlements on disk, in one transaction.
   * Returns the sample's sequence number. When it throws nothing has changed, and the caller's state must not move.
   */
  append(sample: NewSample, memory: ChargerMemory): number {
    const seq = this.#guard(db =>
      db.transaction(() => {
        this.#deleteSettled(db)
        this.#makeRoom(db)
        db.putMemory(sample.charger, memory)
        return db.insert(sample)
      })
    )
    this.#settled.clear()
    this.#newestSeq = seq
    return seq
  }

  /** Unsettled samples after `afterSeq`, up to and including `throughSeq`, oldest first. */
  page(afterSeq: number, throughSeq: number, limit: number): SpooledSample[] {
    // What was acknowledged and is not written yet must not be sent again.
    const rows = this.#guard(db => db.page(afterSeq, throughSeq, limit))
    return rows.some(({ seq }) => this.#settled.has(seq)) ? this.#pageAfterFlush(afterSeq, throughSeq, limit) : rows
  }

  #pageAfterFlush(afterSeq: number, throughSeq: number, limit: number): SpooledSample[] {
    this.flush()
    return this.#guard(db => db.page(afterSeq, throughSeq, limit))
  }

  /** The server has this sample. Written with the next append or flush. */
  settle(seq: number): void {
    this.#settled.add(seq)
  }

  /** These were sent and not acknowledged: they stay, and carry that mark from now on. */
  giveBack(seqs: Iterable<number>): void {
    const open = [...seqs].filter(seq => !this.#settled.has(seq))
    if (open.length === 0) return
    this.#guard(db => db.transaction(() => open.forEach(seq => void db.markSent.run(seq))))
  }

  /** Writes pending settlements. */
  flush(): void {
    if (this.#settled.size === 0) return
    this.#guard(db => db.transaction(() => this.#deleteSettled(db)))
    this.#settled.clear()
  }

  close(): void {
    this.flush()
    this.#db.close()
  }

  #deleteSettled(db: Database): void {
    for (const seq of this.#settled) db.delete.run(seq)
  }

  #makeRoom(db: Database): void {
    const bound = this.#options.maxBytes * fullShare
    let dropped = 0
    while (db.usedBytes() > bound) {
      const changes = Number(db.deleteOldest.run(dropRowsAtOnce).changes)
      if (changes === 0) break
      dropped += changes
    }
    if (dropped === 0) return
    this.#dropped += dropped
    this.#options.onDropped?.(dropped)
  }

  /** Runs `work`; when the file turns out to be damaged, once more on a new one. */
  #guard<T>(work: (db: Database) => T): T {
    try {
      return work(this.#db)
    } catch (error) {
      if (!isDamage(error)) throw error
      this.#db.close()
      quarantine(this.#options, error)
      this.#db = this.#open()
      // Numbers go on rising, so that no acknowledgement of an old sample settles a new one.
      this.#db.startAfter(this.#newestSeq)
      return work(this.#db)
    }
  }

  #open(): Database {
    try {
      return new Database(this.#options)
    } catch (error) {
      if (!isDamage(error)) throw error
      quarantine(this.#options, error)
      return new Database(this.#options)
    }
  }
}

interface Row {
  readonly seq: number
  readonly charger: string
  readonly time_ms: number
  readonly sample_values: string
  readonly sent: number
}

/** The open file and its statements. */
class Database {
  readonly #sqlite: DatabaseSync
  readonly #insert: StatementSync
  readonly #page: StatementSync
  readonly #count: StatementSync
  readonly #memory: StatementSync
  readonly #putMemory: StatementSync
  readonly #pageCount: StatementSync
  readonly #freePages: StatementSync
  readonly delete: StatementSync
  readonly deleteOldest: StatementSync
  readonly markSent: StatementSync

  constructor({ path, maxBytes }: SpoolOptions) {
    this.#sqlite = new DatabaseSync(path)
    try {
      this.#prepareFile(maxBytes)
    } catch (error) {
      this.#sqlite.close()
      throw error
    }
    const prepare = (sql: string) => this.#sqlite.prepare(sql)
    this.#insert = prepare('INSERT INTO samples (charger, time_ms, sample_values) VALUES (?, ?, ?)')
    this.#page = prepare('SELECT * FROM samples WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?')
    this.#count = prepare('SELECT count(*) AS n FROM samples')
    this.#memory = prepare('SELECT memory FROM chargers WHERE charger = ?')
    this.#putMemory = prepare('INSERT OR REPLACE INTO chargers (charger, memory) VALUES (?, ?)')
    this.#pageCount = prepare('PRAGMA page_count')
    this.#freePages = prepare('PRAGMA freelist_count')
    this.delete = prepare('DELETE FROM samples WHERE seq = ?')
    this.deleteOldest = prepare('DELETE FROM samples WHERE seq IN (SELECT seq FROM samples ORDER BY seq LIMIT ?)')
    this.markSent = prepare('UPDATE samples SET sent = 1 WHERE seq = ?')
  }

  #prepareFile(maxBytes: number): void {
    const checkpointPages = Math.max(16, Math.min(256, Math.floor(maxBytes / pageBytes / 16)))
    this.#sqlite.exec(`
      PRAGMA locking_mode = EXCLUSIVE;
      PRAGMA page_size = ${pageBytes};
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = FULL;
      PRAGMA busy_timeout = 500;
      PRAGMA cache_size = -1024;
      PRAGMA wal_autocheckpoint = ${checkpointPages};
      PRAGMA journal_size_limit = ${checkpointPages * pageBytes};
    `)
    const check = this.#sqlite.prepare('PRAGMA quick_check(1)').get() as { quick_check: string }
    if (check.quick_check !== 'ok') throw new DamagedError(check.quick_check)
    const { user_version } = this.#sqlite.prepare('PRAGMA user_version').get() as { user_version: number }
    if (user_version === 0) this.transaction(() => this.#sqlite.exec(schema))
    else if (user_version !== schemaVersion) throw new DamagedError(`schema ${user_version} is not ${schemaVersion}`)
  }

  transaction<T>(work: () => T): T {
    this.#sqlite.exec('BEGIN IMMEDIATE')
    try {
      const result = work()
      this.#sqlite.exec('COMMIT')
      return result
    } catch (error) {
      // Some errors, a full disk among them, have rolled back already.
      if (this.#sqlite.isTransaction) this.#sqlite.exec('ROLLBACK')
      throw error
    }
  }

  insert({ charger, timeMs, values }: NewSample): number {
    return Number(this.#insert.run(charger, timeMs, JSON.stringify(values)).lastInsertRowid)
  }

  page(afterSeq: number, throughSeq: number, limit: number): SpooledSample[] {
    const rows = this.#page.all(afterSeq, throughSeq, limit) as unknown as Row[]
    return rows.map(row => ({
      seq: row.seq,
      charger: row.charger,
      timeMs: row.time_ms,
      values: JSON.parse(row.sample_values),
      sentBefore: row.sent === 1
    }))
  }

  memoryOf(charger: string): ChargerMemory | undefined {
    const row = this.#memory.get(charger) as { memory: string } | undefined
    return row && JSON.parse(row.memory)
  }

  putMemory(charger: string, memory: ChargerMemory): void {
    this.#putMemory.run(charger, JSON.stringify(memory))
  }

  count(): number {
    return (this.#count.get() as { n: number }).n
  }

  usedBytes(): number {
    const { page_count } = this.#pageCount.get() as { page_count: number }
    const { freelist_count } = this.#freePages.get() as { freelist_count: number }
    return (page_count - freelist_count) * pageBytes
  }

  newestSeq(): number {
    const row = this.#sqlite.prepare("SELECT seq FROM sqlite_sequence WHERE name = 'samples'").get()
    return (row as { seq: number } | undefined)?.seq ?? 0
  }

  startAfter(seq: number): void {
    this.#sqlite.prepare("INSERT INTO sqlite_sequence (name, seq) VALUES ('samples', ?)").run(seq)
  }

  close(): void {
    this.#sqlite.close()
  }
}

class DamagedError extends Error {}

const sqliteBusy = 5
const sqliteCorrupt = 11
const sqliteNotADatabase = 26

function isDamage(error: unknown): boolean {
  if (error instanceof DamagedError || error instanceof SyntaxError) return true
  const code = primaryCode(error)
  return code === sqliteCorrupt || code === sqliteNotADatabase
}

/** Extended result codes carry the primary one in their low byte. */
const primaryCode = (error: unknown): number => ((error as { errcode?: number }).errcode ?? 0) & 0xff

/** The damaged file stays beside the new one, with its log, for whoever wants to look at it. */
function quarantine({ path, onQuarantine }: SpoolOptions, cause: unknown): void {
  const stamp = new Date().toISOString().replace(/[:.]/g, '-')
  const target = `${path}.damaged-${stamp}`
  for (const suffix of ['', '-wal', '-shm']) {
    if (existsSync(path + suffix)) renameSync(path + suffix, target + suffix)
  }
  onQuarantine?.(target, cause)
}
