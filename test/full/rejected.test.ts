// Tests that rejected messages are not lost. They are kept with the reason, within bounds, and can go through the
// ingest path again.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import type { RunningServer } from '../../src/server/server.ts'
import { evictRejected, type Quota, shareOf } from '../../src/server/store/rejectedQuota.ts'
import { envelope, freshTime, Harness } from '../harness.ts'

const cli = fileURLToPath(new URL('../../src/cli.ts', import.meta.url))

describe('rejected messages', () => {
  const harness = Harness.use()
  let url = ''
  let server: RunningServer
  let db: pg.Client

  before(async () => {
    url = await harness.database()
    server = await harness.server(url)
    db = await harness.session(url)
    for (const name of ['c1', 'c2', 'c3']) await harness.device(name)
  })

  const chargelift = (...args: readonly string[]): Promise<{ code: number; out: string }> =>
    new Promise(resolve => {
      const env = { ...process.env, DATABASE_URL: url }
      execFile(process.execPath, [cli, 'rejected', ...args], { env }, (error, stdout, stderr) =>
        resolve({ code: error ? Number(error.code) : 0, out: stdout + stderr })
      )
    })
  const codes = async (): Promise<string[]> =>
    (await db.query('SELECT code FROM rejected_messages ORDER BY received_at, message_index')).rows.map(
      ({ code }) => code
    )
  const powerOf = async (charger: string): Promise<unknown[]> =>
    (
      await db.query(
        'SELECT time, power_output FROM ev_readings JOIN chargers ON id = charger_id WHERE name = $1 ORDER BY time',
        [charger]
      )
    ).rows

  it('a Pi whose clock was a year ahead: list shows it, replay shifts it back and stores it once', async () => {
    const client = await harness.client(server, 'c1')
    const yearSeconds = 365 * 86_400
    const times = [freshTime(), freshTime()]
    const ahead = times.map(time => new Date(Date.parse(time) + yearSeconds * 1000).toISOString())
    await client.acked(
      ...client.publishAll([
        ['chargers/c1/PowerOutput', envelope(1, ahead[0])],
        ['chargers/c1/SessionEnergy', envelope(11, ahead[0])],
        ['chargers/c1/PowerOutput', envelope(2, ahead[1])],
        ['chargers/c1/PowerOutput', 'no JSON'],
        ['chargers/c1/NoSuchName', envelope(3)]
      ])
    )
    const list = await chargelift('list', '--charger', 'c1')
    assert.equal(list.code, 0)
    assert.match(list.out, /c1 {2}chargers\/c1\/PowerOutput {2}time_out_of_window\n {4}expected SamplingTime within/)
    assert.match(list.out, /^ {8}3 {2}time_out_of_window$/m)

    const dry = await chargelift('replay', '--charger', 'c1', '--dry-run')
    assert.match(dry.out, /would be replayed:\n {8}3 {2}time_out_of_window/)
    assert.equal((await codes()).length, 5)

    const shift = ['replay', '--charger', 'c1', '--shift-seconds', String(-yearSeconds)]
    const replay = await chargelift(...shift)
    assert.match(
      replay.out,
      /4 replayed, 3 of them stored\n {8}1 {2}rejected again: unknown_value_name\n {8}1 {2}skipped/
    )
    assert.deepEqual(await powerOf('c1'), [
      { time: new Date(times[0]!), power_output: 1 },
      { time: new Date(times[1]!), power_output: 2 }
    ])
    assert.deepEqual((await codes()).sort(), ['not_json', 'unknown_value_name'])
    const { rows: latest } = await db.query("SELECT value FROM latest_readings WHERE name = 'PowerOutput'")
    assert.deepEqual(latest, [{ value: 2 }])
    assert.match((await chargelift(...shift)).out, /1 replayed, 0 of them stored/)
  })

  it('replay takes only what is asked for, and what the server stores meanwhile is its own business', async () => {
    await db.query('DELETE FROM rejected_messages')
    const client = await harness.client(server, 'c2')
    const other = await harness.client(server, 'c3')
    const tooOld = '2020-01-01T00:00:00Z'
    await client.acked(
      client.publish('chargers/c2/PowerOutput', envelope(1, tooOld)),
      client.publish('chargers/c2/X', '{}')
    )
    await other.acked(other.publish('chargers/c3/PowerOutput', envelope(2, tooOld)))
    const replay = await chargelift(
      'replay',
      '--charger',
      'c2',
      '--code',
      'time_out_of_window',
      '--accept-past-days',
      '36500'
    )
    assert.match(replay.out, /1 replayed, 1 of them stored/)
    assert.equal((await powerOf('c2')).length, 1)
    assert.equal((await powerOf('c3')).length, 0)
    assert.deepEqual((await codes()).sort(), ['time_out_of_window', 'unknown_value_name'])
    const { out } = await chargelift('list', '--json', '--charger', 'c3')
    const { payload, code, identity } = JSON.parse(out)
    assert.deepEqual([JSON.parse(payload).Value, code, identity], [2, 'time_out_of_window', 'c3'])
  })

  it('all faults of the flags are told at once, with exit code 78', async () => {
    const { code, out } = await chargelift('lost', '--charger', 'a b', '--since', 'yesterday', '--shift-seconds', '1h')
    assert.equal(code, 78)
    for (const fault of [
      /^Unknown command rejected lost\. Did you mean rejected list\?$/m,
      /--charger: expected/,
      /--since: expected/,
      /--shift-seconds: expected/
    ]) {
      assert.match(out, fault)
    }
    assert.match(
      (await chargelift('list', '--dry-run')).out,
      /--dry-run belongs to "rejected replay", not to "rejected list"/
    )
    assert.equal((await chargelift('list', '--nonsense')).code, 78)
  })

  it('what the operator refuses in rejected_messages and edge_status stops no lane', async () => {
    await db.query('DELETE FROM rejected_messages')
    await db.query("ALTER TABLE rejected_messages ADD CONSTRAINT nice CHECK (topic NOT LIKE '%Ugly')")
    await db.query('ALTER TABLE edge_status ADD CONSTRAINT short CHECK (length(status::text) < 200)')
    const client = await harness.client(server, 'c2')
    const status = (filler: string): string => JSON.stringify({ SamplingTime: freshTime(), filler })
    await client.acked(
      ...client.publishAll([
        ['chargers/c2/PowerOutput', envelope(50)],
        ['chargers/c2/Ugly', '{}'],
        ['chargers/c2/Other', '{}'],
        ['chargers/c2/EdgeStatus', status('x'.repeat(300))]
      ])
    )
    await client.acked(client.publish('chargers/c2/EdgeStatus', status('fine')))
    await db.query('ALTER TABLE rejected_messages DROP CONSTRAINT nice; ALTER TABLE edge_status DROP CONSTRAINT short')
    assert.equal((await powerOf('c2')).length, 2)
    const { rows } = await db.query('SELECT topic, code, payload FROM rejected_messages ORDER BY message_index')
    assert.deepEqual(
      rows.map(({ topic, code }) => [topic, code]),
      [
        ['', 'database_error'],
        ['chargers/c2/Other', 'unknown_value_name'],
        ['chargers/c2/EdgeStatus', 'database_error']
      ]
    )
    assert.equal(rows[0].payload.toString(), '{}')
    const { rows: statuses } = await db.query("SELECT status ->> 'filler' AS filler FROM edge_status")
    assert.deepEqual(statuses, [{ filler: 'fine' }])
  })

  describe('quotas', () => {
    const insert = (identity: string, code: string, count: number, ageDays: number): Promise<unknown> =>
      db.query(
        `INSERT INTO rejected_messages
         SELECT gen_random_uuid(), i, now() - make_interval(days => $4, secs => $3 - i), $1, 't', repeat('x', 798)::bytea, $2, 'r'
         FROM generate_series(1, $3) i`,
        [identity, code, count, ageDays]
      )
    const counts = async (): Promise<Record<string, number>> =>
      Object.fromEntries(
        (
          await db.query(
            'SELECT identity, count(*)::integer AS n, min(message_index) AS oldest FROM rejected_messages GROUP BY identity'
          )
        ).rows.map(({ identity, n, oldest }) => [identity, [n, oldest]])
      )

    it('the old of the recoverable go after 30 days; each quota loses the oldest of its largest senders; all counted', async () => {
      await db.query('DELETE FROM rejected_messages')
      await insert('ancient', 'time_out_of_window', 20, 31)
      await insert('ancient-other', 'not_json', 20, 31)
      await insert('flood', 'not_json', 500, 0)
      await insert('small', 'conflict', 30, 1)
      await insert('clock', 'time_out_of_window', 400, 2)
      await insert('new-name', 'unknown_value_name', 10, 29)
      const pool = new pg.Pool({ connectionString: url })
      const evicted: Record<Quota, number> = { recoverable: 0, other: 0 }
      const limits = { recoverableBytes: 110_000, otherBytes: 150_000, days: 30 }
      const report = { evicted: (quota: Quota, count: number) => (evicted[quota] += count) }
      await evictRejected(pool, limits, report)
      // A row costs 1,000 bytes here. So 150 other rows and 110 recoverable rows are kept.
      assert.deepEqual(await counts(), {
        'ancient-other': [20, 1],
        small: [30, 1],
        flood: [100, 401],
        clock: [100, 301],
        'new-name': [10, 1]
      })
      assert.deepEqual(evicted, { recoverable: 320, other: 400 })
      await evictRejected(pool, limits, report)
      assert.deepEqual(evicted, { recoverable: 320, other: 400 })
      await pool.end()
    })

    it('the share of each is what all together may have, the modest first', () => {
      assert.equal(shareOf([], 10), Number.MAX_SAFE_INTEGER)
      assert.equal(shareOf([1, 2, 3], 6), Number.MAX_SAFE_INTEGER)
      assert.equal(shareOf([1, 2, 9], 10), 7)
      assert.equal(shareOf([9, 9, 1], 11), 5)
      assert.equal(shareOf([4, 4, 4], 3), 1)
    })
  })
})
