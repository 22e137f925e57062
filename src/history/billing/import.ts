// Imports sites, chargers, tariffs and cards from a CSV file into the database, in one transaction: either all of the
// file or nothing. A dry run does the same and rolls back at the end. So its result shows what an import would do, down
// to the costs of sessions.

import { ConfigError, type ConfigFault } from '../../model/errors.ts'
import type { Db } from '../queryable.ts'
import { parseCsv } from './csv.ts'
import { forms, type Judged, judge, keys, type MasterDataKind } from './masterData.ts'
import { type Recosted, recost } from './recost.ts'
import { judgeCards, judgeTariffs, type StoredWindow, type Valid } from './validity.ts'

export interface ImportOrder {
  readonly kind: MasterDataKind
  readonly text: string
  /** The name of the file in faults. */
  readonly file: string
  readonly isDryRun: boolean
}

export interface Imported {
  readonly added: number
  readonly changed: number
  readonly unchanged: number
  readonly sessions: Recosted
}

/** Needs a connection of its own. Throws ConfigError with all faults. Then nothing has changed. */
export async function importMasterData(db: Db, order: ImportOrder): Promise<Imported> {
  await db.query('BEGIN')
  try {
    // Every derivation of sessions reads tariffs first. The lock keeps it from computing with half of an import.
    await db.query('LOCK TABLE tariffs IN ACCESS EXCLUSIVE MODE')
    const imported = await importLocked(db, order)
    await db.query(order.isDryRun ? 'ROLLBACK' : 'COMMIT')
    return imported
  } catch (error) {
    await db.query('ROLLBACK')
    throw error
  }
}

async function importLocked(db: Db, { kind, text, file }: ImportOrder): Promise<Imported> {
  const faults: ConfigFault[] = []
  const { columns, required } = forms[kind]
  const table = parseCsv(text, file, columns, required, faults)
  const judged = table === undefined ? [] : judge(kind, table, await knownNames(db), faults)
  if (faults.length > 0) throw new ConfigError(faults)
  const before = await snapshot(db, kind)
  await writers[kind](db, judged)
  await judgeTogether(db, kind, judged, file, faults)
  if (faults.length > 0) throw new ConfigError(faults)
  const after = await snapshot(db, kind)
  const touched = [...after].filter(([key, row]) => before.get(key) !== row).map(([key]) => key)
  const added = touched.filter(key => !before.has(key)).length
  const names = judged.map(({ entry }) => entry.name ?? '')
  const sessions = kind === 'cards' ? { changed: 0, closed: 0 } : await recost(db, await chargersOf(db, kind, names))
  return { added, changed: touched.length - added, unchanged: judged.length - touched.length, sessions }
}

async function knownNames(db: Db): Promise<{ sites: Set<string>; tariffs: Set<string> }> {
  const { rows: sites } = await db.query('SELECT name FROM sites')
  const { rows: tariffs } = await db.query('SELECT DISTINCT name FROM tariffs')
  const namesOf = (rows: readonly Record<string, unknown>[]) => new Set(rows.map(({ name }) => String(name)))
  return { sites: namesOf(sites), tariffs: namesOf(tariffs) }
}

/** Every row as text, by its key. */
async function snapshot(db: Db, kind: MasterDataKind): Promise<Map<string, string>> {
  const { rows } = await db.query(
    `SELECT concat_ws(' / ', ${keys[kind].map(column => `t.${column}`).join(', ')}) AS key, t::text AS row FROM ${kind} t`
  )
  return new Map(rows.map(({ key, row }) => [String(key), String(row)]))
}

/** The parameter of a statement: the entries as a JSON array of rows. */
const entriesOf = (judged: readonly Judged[]): unknown[] => [JSON.stringify(judged.map(({ entry }) => entry))]

const writers: Readonly<Record<MasterDataKind, (db: Db, judged: readonly Judged[]) => Promise<void>>> = {
  sites: async (db, judged) => {
    await db.query(
      `INSERT INTO sites AS s (name, time_zone)
       SELECT name, time_zone FROM jsonb_to_recordset($1::jsonb) AS d (name text, time_zone text)
       ON CONFLICT (name) DO UPDATE SET time_zone = excluded.time_zone WHERE s.time_zone <> excluded.time_zone`,
      entriesOf(judged)
    )
  },
  /** Columns that the file does not have stay unchanged. A charger may be imported before it sends anything. */
  chargers: async (db, judged) => {
    const given = ['site', 'label', 'serial', 'tariff'].filter(column => column in (judged[0]?.entry ?? {}))
    const valueIn = (column: string) =>
      column === 'site' ? '(SELECT id FROM sites s WHERE s.name = d.site)' : `d.${column}`
    const columns = ['name', ...given].join(', ')
    const change =
      given.length === 0
        ? 'NOTHING'
        : `UPDATE SET ${given.map(column => `${column} = excluded.${column}`).join(', ')}
           WHERE (${given.map(column => `c.${column}`)}) IS DISTINCT FROM (${given.map(column => `excluded.${column}`)})`
    await db.query(
      `INSERT INTO chargers AS c (${columns}) SELECT ${['d.name', ...given.map(valueIn)].join(', ')}
       FROM jsonb_to_recordset($1::jsonb) AS d (name text, site text, label text, serial text, tariff text)
       ON CONFLICT (name) DO ${change}`,
      entriesOf(judged)
    )
  },
  /** Replaces all windows that a tariff has from the same `valid_from` on. */
  tariffs: async (db, judged) => {
    await db.query(
      `DELETE FROM tariffs t USING jsonb_to_recordset($1::jsonb) AS d (name text, valid_from date)
       WHERE t.name = d.name AND t.valid_from = d.valid_from`,
      entriesOf(judged)
    )
    await db.query(
      `INSERT INTO tariffs (name, valid_from, valid_to, window_from, window_to, price_per_kwh, currency)
       SELECT * FROM jsonb_to_recordset($1::jsonb) AS d (name text, valid_from date, valid_to date, window_from time,
         window_to time, price_per_kwh numeric, currency text)`,
      entriesOf(judged)
    )
  },
  cards: async (db, judged) => {
    await db.query(
      `INSERT INTO cards AS c (uid, label, person, valid_from, valid_to)
       SELECT * FROM jsonb_to_recordset($1::jsonb) AS d (uid text, label text, person text, valid_from date, valid_to date)
       ON CONFLICT (uid, valid_from) DO UPDATE SET label = excluded.label, person = excluded.person, valid_to = excluded.valid_to
       WHERE (c.label, c.person, c.valid_to) IS DISTINCT FROM (excluded.label, excluded.person, excluded.valid_to)`,
      entriesOf(judged)
    )
  }
}

/** Judges the imported entries together with the entries that existed before. */
async function judgeTogether(
  db: Db,
  kind: MasterDataKind,
  judged: readonly Judged[],
  file: string,
  faults: ConfigFault[]
): Promise<void> {
  if (kind === 'tariffs') {
    const { rows } = await db.query(
      `SELECT name, valid_from::text AS "validFrom", valid_to::text AS "validTo", left(window_from::text, 5) AS "from",
         left(window_to::text, 5) AS "to", currency FROM tariffs WHERE name = ANY ($1) ORDER BY name, valid_from, window_from`,
      [judged.map(({ entry }) => entry.name)]
    )
    judgeTariffs(rows as unknown as StoredWindow[], file, faults)
  } else if (kind === 'cards') {
    const { rows } = await db.query(
      `SELECT uid, valid_from::text AS "validFrom", valid_to::text AS "validTo" FROM cards WHERE uid = ANY ($1) ORDER BY uid`,
      [judged.map(({ entry }) => entry.uid)]
    )
    judgeCards(rows as unknown as (Valid & { uid: string })[], file, faults)
  }
}

/** The ids of the chargers whose costs may change. */
async function chargersOf(db: Db, kind: MasterDataKind, names: readonly string[]): Promise<number[]> {
  const condition =
    kind === 'tariffs' ? 'c.tariff = ANY ($1)' : kind === 'sites' ? 's.name = ANY ($1)' : 'c.name = ANY ($1)'
  const { rows } = await db.query(`SELECT c.id FROM chargers c LEFT JOIN sites s ON s.id = c.site WHERE ${condition}`, [
    names
  ])
  return rows.map(({ id }) => Number(id))
}
