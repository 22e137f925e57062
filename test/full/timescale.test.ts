// Tests readings on hypertables with compressed days, which the embedded PostgreSQL lacks. TimescaleDB in WebAssembly
// (test/timescale/) takes our COPY and merges late rows. It also runs whole suites that other files run on plain
// partitions. Tests that one backend without threads cannot run are left out, with the reason. With a real server,
// named by TEST_DATABASE_URL, no test is left out.

import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { envelope, Harness } from '../harness.ts'
import { folder, run } from '../programs.ts'
import { startTimescale } from '../timescale/process.ts'
import { runSuite } from '../timescale/suite.ts'

// This runs outside of a hook, because the harness reads TEST_DATABASE_URL in its own hook.
const timescale = await startTimescale()
process.env.TEST_DATABASE_URL = timescale.url
const harness = Harness.use()
after(() => timescale.stop())

describe('readings in TimescaleDB', () => {
  it('are a hypertable with columnstore; a COPY reaches it, and late rows are merged into a compressed day', async () => {
    const url = await harness.database()
    const server = await harness.server(url, { workers: 1 })
    const status = await run(folder(), 'db', 'status', '--database-url', url)
    assert.match(status.stdout, /^engine +TimescaleDB 2\.\d+\.\S+ \(timescale licence\) on PostgreSQL 17/m)
    assert.match(status.stdout, /^readings +TimescaleDB hypertable by day$/m)
    assert.match(status.stdout, /^columnstore +days older than 3$/m)
    assert.match(status.stdout, /^quarter hours +continuous aggregate$/m)

    const db = await harness.session(url)
    await db.query(`
      CREATE TABLE told (statement text);
      CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN INSERT INTO told VALUES (regexp_replace(current_query(), '\\s*(COPY|INSERT INTO) (\\w+).*', '\\1 \\2')); RETURN NULL; END $$;
      CREATE TRIGGER tell AFTER INSERT ON ev_readings FOR EACH STATEMENT EXECUTE FUNCTION tell()`)
    const told = async (): Promise<string[]> =>
      (await db.query('DELETE FROM told RETURNING statement')).rows.map(({ statement }) => statement)
    await harness.device('c1')
    const client = await harness.client(server, 'c1')
    const startMs = Date.now() - 10 * 86_400_000
    const late = Array.from({ length: 300 }, (_, i) => new Date(startMs + i * 1_000).toISOString())
    const publish = (name: string, value: number, times: readonly string[]): Promise<unknown> =>
      client.acked(...client.publishAll(times.map(time => [`chargers/c1/${name}`, envelope(value, time)])))
    await publish('PowerOutput', 1, late.slice(1))
    assert.deepEqual([...new Set(await told())], ['COPY ev_readings'])

    const compressed =
      "SELECT compress_chunk(c)::text AS chunk FROM show_chunks('ev_readings', older_than => interval '9 days') c"
    const { rows: chunks } = await db.query(compressed)
    assert.equal(chunks.length, 1)
    await publish('PowerOutput', 1, late)
    await publish('SessionEnergy', 2, late)
    await publish('SessionEnergy', 3, late)
    assert.ok((await told()).includes('INSERT INTO ev_readings'), 'merged')
    const { rows } = await db.query(
      `SELECT tableoid::regclass::text AS chunk, count(*)::integer AS count, min(power_output) AS power,
         max(session_energy) AS energy FROM ev_readings GROUP BY 1`
    )
    assert.deepEqual(rows, [{ chunk: chunks[0].chunk, count: 300, power: 1, energy: 2 }])
    const { rows: rejected } = await db.query('SELECT DISTINCT code FROM rejected_messages')
    assert.deepEqual(rejected, [{ code: 'conflict' }])
    const { stdout } = await run(folder(), 'db', 'status', '--database-url', url)
    assert.match(stdout, /^compressed +1 of 1 days/m)
  })
})

const twoBackends = 'one backend: nobody can wait for a lock beside it'
const kills = 'one backend: none can be killed'

/** The tests that cannot run in WebAssembly, and the reasons. */
const suites: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'test/pipeline.test.ts': {
    'no PUBACK before COMMIT: none while the table is locked, all after': twoBackends,
    'killed database connections cost nothing, no thread and no process: the batch is kept and stored': kills,
    'a connection that is killed in the middle of a COPY loses nothing and acknowledges nothing': kills,
    'a database that lets us in and then fails costs no connection each time': kills
  },
  'test/lateLane.test.ts': {
    'a batch with late rows delays no neighbour, not even the first one of its sender': twoBackends,
    'who is known to send late rows waits in the late lane with everything, and is acknowledged in order': twoBackends,
    'who has sent its late rows is a neighbour again': twoBackends,
    'a server starts without looking into old chunks': twoBackends
  },
  'test/full/migrations.test.ts': {},
  'test/full/history.test.ts': {
    'one server at a time does it, and one that is cut off leaves it to the next': kills
  },
  'test/full/month.test.ts': {
    'derives sessions, gives them a cost, and closes a month': 'makes a TimescaleDB of its own anyway'
  },
  'test/full/readings.test.ts': {},
  'test/full/sessionArrival.test.ts': {}
}

describe('on hypertables', () => {
  for (const [file, without] of Object.entries(suites)) {
    it(file, async t => {
      const { outcomes, output, code } = await runSuite(file, timescale.url, Object.keys(without), t.signal)
      for (const { name, passed, skipped } of outcomes) {
        await t.test(name, { skip: skipped ?? false }, () => assert.ok(passed, output))
      }
      for (const [name, why] of Object.entries(without)) await t.test(name, { skip: why }, () => {})
      assert.equal(code, 0, output)
      assert.ok(
        outcomes.some(({ skipped }) => skipped === undefined),
        output
      )
      const names = outcomes.map(({ name }) => name)
      assert.deepEqual(
        names.filter(name => name in without),
        [],
        'left out'
      )
    })
  }
})
