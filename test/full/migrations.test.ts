// Migrates a database of every earlier schema in the repository's history, with data of its time, to the newest schema.
// Nothing is lost or changed. The derived tables are derived from the old rows, too. If the text of a migration was
// changed later, the earlier text is a fixture. TEST_DATABASE_URL names the server. Without it, the embedded PostgreSQL
// is used.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import type pg from 'pg'
import { Maintenance } from '../../src/history/derive/maintenance.ts'
import { type Migration, makePartitions, migrate, migrateDatabase, readMigrations } from '../../src/ingest/migrate.ts'
import { Harness } from '../harness.ts'

const harness = Harness.use()
const migrations = readMigrations()

interface Earlier {
  readonly name: string
  readonly migrations: readonly Migration[]
}

const firstText = readFileSync(new URL('../fixtures/sql/000001_readings.first.sql', import.meta.url), 'utf8')
const earlier: readonly Earlier[] = [
  { name: '1, as it was first', migrations: [{ ...migrations[0]!, sql: firstText }] },
  ...migrations.slice(0, -1).map(({ version, name }) => ({
    name: `${version} (${name})`,
    migrations: migrations.slice(0, version)
  }))
]

/**
 * The rows that a server of that time had stored, by the version that created the table. The times lie on several days,
 * and one day is long ago.
 */
const dataOf: Readonly<Record<number, readonly string[]>> = {
  1: [
    "INSERT INTO chargers (name) VALUES ('wallbox-1'), ('wallbox-2'), ('Ü-9')",
    `INSERT INTO ev_readings (charger_id, time, operation_state, total_energy_consumption, session_energy, power_output,
       output_current, maximum_output_current, connected_vehicle, charger_status)
     SELECT c.id, day + i * interval '5 minutes', (CASE WHEN i % 2 = 0 THEN 'charging' END)::operation_state, 1000 + i * 10,
       i, 120.5, NULL, 16, CASE WHEN i = 3 THEN 'card ä' ELSE '' END, 'Charging'
     FROM chargers c, generate_series(0, 11) i,
       unnest(ARRAY[timestamptz '2026-01-31 23:30Z', date_trunc('hour', now() - interval '5 days')]) day`,
    `INSERT INTO rejected_messages VALUES (gen_random_uuid(), 0, '2026-02-01 00:00Z', 'wallbox-1',
       'chargers/wallbox-1/PowerOutput', '\\x00ff', 'time_out_of_window', 'expected ...')`,
    `INSERT INTO latest_readings SELECT id, 'PowerOutput', '2026-02-01 00:00Z', '120.5' FROM chargers`,
    `INSERT INTO edge_status SELECT id, '2026-02-01 00:00Z', '{"Version": "0.1.0"}' FROM chargers`
  ],
  2: [
    "INSERT INTO edge_connections VALUES ('wallbox-1', 'wallbox-1', 'wallbox-1', 'offline', '2026-02-01 00:00Z', '::1', 'n')"
  ],
  4: [
    "INSERT INTO access_tokens (name, role, token_hash) VALUES ('grafana', 'viewer', sha256('a'))",
    "INSERT INTO access_sessions VALUES (sha256('b'), 'grafana', now(), now() + interval '1 hour')",
    `INSERT INTO audit_events (id, at, last_at, event) VALUES (gen_random_uuid(), now(), now(), 'denied')`
  ],
  5: [
    "INSERT INTO sites (name, time_zone) VALUES ('depot', 'Europe/Berlin')",
    "UPDATE chargers SET site = (SELECT id FROM sites), label = 'left', serial = 'S1', tariff = 'night' WHERE name = 'wallbox-1'"
  ],
  6: [
    "INSERT INTO cards (uid, label, person, valid_from) VALUES ('card ä', 'van', 'Kim', '2026-01-01')",
    "INSERT INTO tariffs (name, price_per_kwh, currency) VALUES ('night', 0.312345, 'EUR')",
    `INSERT INTO charging_sessions SELECT name, id, '2025-12-01 10:00Z', '2025-12-01 11:00Z', 11000.5, 11040, 'card ä', 1, 5, 11005.5,
       true, '2025-12-01 10:50Z', 3.44, 'EUR', '[{"price": 0.3}]', ARRAY[11000500], '2025-12-01 11:00Z' FROM chargers`,
    "INSERT INTO session_states SELECT id, '2025-12-02 00:00Z', '{}' FROM chargers",
    "INSERT INTO session_heads SELECT id, '2025-12-02 00:00Z', '{}', '2025-12-02 00:00Z', '{}' FROM chargers",
    `INSERT INTO month_statements (site, month, closed_at, forced, content, sha256)
     VALUES ('depot', '2025-12-01', '2026-01-05 08:00Z', false, '{"lines": []}', repeat('0a', 32))`,
    `INSERT INTO month_lines VALUES (1, 1, 'session', '2025-12-01', 'wallbox-1', '2025-12-01 10:00Z', '2025-12-01 11:00Z', 'card ä',
       11000.5, 3.44, 'EUR')`
  ],
  7: [
    "INSERT INTO problems VALUES ('wallbox-2', 'offline', 'no connection', '2026-02-01 00:00Z', '2026-02-01 00:00Z')",
    "INSERT INTO problems_lease (node, until) VALUES ('n', '2026-02-01 00:00Z')"
  ],
  8: ["INSERT INTO nodes VALUES ('n', '2026-02-01 00:00Z')"]
}

/** All rows of all tables as text, with the columns that the tables have now. */
async function contents(db: pg.Client, like?: Map<string, Content>): Promise<Map<string, Content>> {
  const { rows } = await db.query<{ name: string; columns: string[] }>(`
    SELECT relname AS name, array_agg(attname::text ORDER BY attnum) AS columns
    FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
      AND relname NOT IN ('schema_migrations', 'history_state') GROUP BY 1 ORDER BY 1`)
  const found = new Map<string, Content>()
  for (const { name, columns: all } of rows) {
    const columns = like === undefined ? all : (like.get(name)?.columns ?? [])
    if (columns.length === 0) continue
    const list = columns.map(column => `"${column}"`).join(', ')
    const { rows: texts } = await db.query<{ text: string }>(
      `SELECT row_to_json(r)::text AS text FROM (SELECT ${list} FROM ${name}) r ORDER BY 1`
    )
    found.set(name, { columns, rows: texts.map(({ text }) => text) })
  }
  return found
}

interface Content {
  readonly columns: readonly string[]
  readonly rows: readonly string[]
}

describe('a database of an earlier version', () => {
  for (const { name, migrations: then } of earlier) {
    it(`of version ${name} keeps its data, and its readings are in the quarter hours`, async () => {
      const url = await harness.database()
      await (await harness.session(url)).query('CREATE EXTENSION IF NOT EXISTS timescaledb').catch(() => {})
      const db = await harness.session(url)
      await migrate(db, then)
      await makePartitions(db)
      for (const { version } of then) for (const sql of dataOf[version] ?? []) await db.query(sql)
      const before = await contents(db)
      const filled = [...before].filter(([, { rows }]) => rows.length > 0).map(([table]) => table)
      for (const table of ['chargers', 'ev_readings', 'rejected_messages', 'latest_readings', 'edge_status'])
        assert.ok(filled.includes(table), table)

      const { version } = await migrateDatabase(url)
      assert.equal(version, migrations.at(-1)!.version)
      assert.deepEqual(await contents(db, before), before)
      const failures: Error[] = []
      const options = { databaseUrl: url, node: 'test', retentionMs: undefined, derive: [] }
      await new Maintenance({ ...options, failed: error => failures.push(error) }).run()
      assert.deepEqual(failures, [])
      const { rows } = await db.query(
        'SELECT sum(samples)::integer AS samples, count(*)::integer AS quarters FROM quarter_hours'
      )
      assert.deepEqual(rows, [{ samples: 72, quarters: 3 * 8 }])
      const { rows: energy } = await db.query(
        `SELECT month, energy_wh FROM energy_months WHERE charger_id = 1 AND month < '2026-03-01' ORDER BY month`
      )
      assert.deepEqual(
        energy.map(({ month, energy_wh }) => [(month as Date).toDateString().slice(4, 7), energy_wh]),
        // From version 5 on, the charger has a site. In the time zone of the site, all energy lies in February.
        then.length >= 5
          ? [['Feb', 110]]
          : [
              ['Jan', 50],
              ['Feb', 60]
            ]
      )
    })
  }

  it('has data in every table that its version made', async () => {
    const db = await harness.session(await harness.database())
    await migrate(db, migrations)
    for (const statements of Object.values(dataOf)) for (const sql of statements) await db.query(sql)
    const derived = ['quarter_hours', 'history_changes'] // their content comes from other tables
    const empty = [...(await contents(db))].filter(([, { rows }]) => rows.length === 0).map(([table]) => table)
    assert.deepEqual(
      empty.filter(table => !derived.includes(table)),
      []
    )
  })
})
