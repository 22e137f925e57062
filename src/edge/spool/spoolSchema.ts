// The tables of the spool's file, and how a file of an earlier version is upgraded.

import type { DatabaseSync } from 'node:sqlite'
import { DamagedError } from './sqliteErrors.ts'

const schemaVersion = 2
const schema = `
  CREATE TABLE backlog (
    seq INTEGER PRIMARY KEY,
    charger TEXT NOT NULL,
    time_ms INTEGER NOT NULL,
    sample_values TEXT NOT NULL,
    repeats INTEGER NOT NULL,
    sent INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE settled (
    seq INTEGER PRIMARY KEY,
    charger TEXT NOT NULL,
    time_ms INTEGER NOT NULL,
    sample_values TEXT NOT NULL,
    repeats INTEGER NOT NULL,
    settled_ms INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE held (
    seq INTEGER PRIMARY KEY,
    charger TEXT NOT NULL,
    time_ms INTEGER NOT NULL,
    sample_values TEXT NOT NULL,
    repeats INTEGER NOT NULL,
    boot_id TEXT NOT NULL
  ) STRICT;
  CREATE TABLE notes (name TEXT PRIMARY KEY, note TEXT NOT NULL) STRICT;
  PRAGMA user_version = ${schemaVersion};
`
/** Version 1 has this table, too. */
const chargersTable = 'CREATE TABLE chargers (charger TEXT PRIMARY KEY, memory TEXT NOT NULL) STRICT;'
const movedRowsAtOnce = 1_024

/** The note with the highest number given before any row of the file. */
export const startedAfter = 'started_after'

/** Throws DamagedError for a file of an unknown version. */
export function prepareSchema(sqlite: DatabaseSync): void {
  const { user_version: version } = sqlite.prepare('PRAGMA user_version').get() as { user_version: number }
  if (version === 0) sqlite.exec(`BEGIN; ${schema} ${chargersTable} COMMIT`)
  else if (version === 1) sqlite.exec(`BEGIN; ALTER TABLE samples RENAME TO samples_v1; ${schema} COMMIT`)
  else if (version !== schemaVersion) throw new DamagedError(`schema ${version} is not ${schemaVersion}`)
  moveVersion1(sqlite)
}

/** The rows of a file of version 1 move in steps: a kill in between loses none, and nothing needs room twice. */
function moveVersion1(sqlite: DatabaseSync): void {
  const old = sqlite.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'samples_v1'").get()
  if (old === undefined) return
  sqlite.exec(
    `INSERT OR REPLACE INTO notes SELECT '${startedAfter}', seq FROM sqlite_sequence WHERE name = 'samples_v1'`
  )
  const first = `SELECT seq FROM samples_v1 ORDER BY seq LIMIT ${movedRowsAtOnce}`
  const oldest = `WHERE seq <= (SELECT max(seq) FROM (${first}))`
  const copy = sqlite.prepare(
    `INSERT INTO backlog SELECT seq, charger, time_ms, sample_values, 0, sent FROM samples_v1 ${oldest}`
  )
  const remove = sqlite.prepare(`DELETE FROM samples_v1 ${oldest}`)
  for (let moved = -1; moved !== 0; ) {
    sqlite.exec('BEGIN IMMEDIATE')
    copy.run()
    moved = Number(remove.run().changes)
    sqlite.exec('COMMIT')
  }
  sqlite.exec('DROP TABLE samples_v1')
}
