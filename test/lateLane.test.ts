// Late rows may lie in compressed chunks, where a write is slow. These tests lock the chunk of the late rows, which is
// the slowest possible write. Only the clients that send late rows may wait.

import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import type pg from 'pg'
import type { RunningServer } from '../src/server/server.ts'
import { envelope, Harness, until } from './harness.ts'
import type { WireClient } from './wire.ts'

describe('late rows', () => {
  const harness = Harness.use()
  let url = ''
  let server: RunningServer
  let db: pg.Client
  const lateMs = Date.now() - 10 * 86_400_000
  let times = 0
  const lateTime = (): string => new Date(lateMs + times++).toISOString()
  const power = (name: string): string => `chargers/${name}/PowerOutput`

  before(async () => {
    url = await harness.database()
    // With one ordinary Lane, all clients share it.
    server = await harness.server(url, { workers: 1 })
    db = await harness.session(url)
    for (const name of ['old', 'older', 'young']) await harness.device(name)
    const first = await harness.client(server, 'old')
    await first.acked(first.publish(power('old'), envelope(0, lateTime())))
    first.destroy()
  })

  /** Runs `work` while the chunk of the late rows is locked against writes. */
  async function whileLateChunkIsLocked(work: () => Promise<void>): Promise<void> {
    const { rows } = await db.query(
      `SELECT tableoid::regclass AS chunk FROM ev_readings WHERE time < now() - interval '9 days' LIMIT 1`
    )
    await db.query(`BEGIN; LOCK TABLE ${rows[0].chunk} IN ACCESS EXCLUSIVE MODE`)
    try {
      await work()
    } finally {
      await db.query('ROLLBACK')
    }
  }

  const receivedTotal = async (): Promise<number> => {
    const text = await (await fetch(`http://127.0.0.1:${server.httpPort}/metrics`)).text()
    return Number(/^chargelift_messages_received_total (\d+)/m.exec(text)?.[1])
  }

  /** Publishes fresh, late, fresh, late and fresh readings in one write. Returns five message ids. */
  const publishMixed = (client: WireClient, name: string): number[] =>
    client.publishAll(
      Array.from({ length: 5 }, (_, i) => [power(name), i % 2 === 0 ? envelope(i) : envelope(i, lateTime())] as const)
    )

  it('a batch with late rows delays no neighbour, not even the first one of its sender', async () => {
    const old = await harness.client(server, 'older')
    const young = await harness.client(server, 'young')
    let ids: number[] = []
    await whileLateChunkIsLocked(async () => {
      ids = publishMixed(old, 'older')
      for (let i = 0; i < 20; i++) await young.acked(young.publish(power('young'), envelope(i)))
      assert.deepEqual(old.acks(), ids.slice(0, 1), 'what came before the first late row is stored, nothing behind it')
    })
    await old.acked(...ids)
    assert.deepEqual(old.acks(), ids, 'in publish order')
  })

  it('who is known to send late rows waits in the late lane with everything, and is acknowledged in order', async () => {
    const old = await harness.client(server, 'old')
    const young = await harness.client(server, 'young')
    let ids: number[] = []
    await whileLateChunkIsLocked(async () => {
      ids = [...publishMixed(old, 'old'), ...publishMixed(old, 'old')]
      await young.acked(young.publish(power('young'), envelope(1)))
      ids.push(old.publish(power('old'), envelope(2)))
      await young.acked(young.publish(power('young'), envelope(3)))
      assert.ok(!old.acks().includes(ids.at(-1)!))
    })
    await old.acked(...ids)
    assert.deepEqual(old.acks(), ids)
  })

  it('who has sent its late rows is a neighbour again', async () => {
    const back = await harness.client(server, 'old')
    const old = await harness.client(server, 'older')
    // The charger sends late rows again, and then a Batch without late rows. Its next Batch goes to the ordinary Lane.
    await back.acked(back.publish(power('old'), envelope(1, lateTime())))
    await back.acked(back.publish(power('old'), envelope(2)))
    let last = 0
    await whileLateChunkIsLocked(async () => {
      last = old.publish(power('older'), envelope(3, lateTime()))
      for (let i = 0; i < 5; i++) await back.acked(back.publish(power('old'), envelope(i)))
      assert.ok(!old.acks().includes(last))
    })
    await old.acked(last)
  })

  it('a compressed chunk takes new rows, new values of old rows and repeats; a different value is a conflict', async t => {
    const { rows: engine } = await db.query(
      "SELECT FROM pg_extension WHERE extname = 'timescaledb' AND current_setting('timescaledb.license', true) = 'timescale'"
    )
    if (engine.length === 0) return t.skip('needs TimescaleDB with the community licence: set TEST_DATABASE_URL')
    const client = await harness.client(server, 'old')
    const repeated = [power('old'), envelope(7, lateTime())] as const
    await client.acked(...client.publishAll([repeated]))
    const { rows } = await db.query(
      "SELECT compress_chunk(c) FROM show_chunks('ev_readings', older_than => interval '9 days') c"
    )
    assert.equal(rows.length, 1)
    const { SamplingTime } = JSON.parse(repeated[1])
    await client.acked(
      ...client.publishAll([
        repeated,
        ['chargers/old/SessionEnergy', envelope(70, SamplingTime)],
        [power('old'), envelope(8, SamplingTime)],
        [power('old'), envelope(9, lateTime())]
      ])
    )
    const stored = await db.query(
      "SELECT power_output, session_energy FROM ev_readings WHERE time >= $1 AND time < now() - interval '9 days' ORDER BY time",
      [SamplingTime]
    )
    assert.deepEqual(stored.rows, [
      { power_output: 7, session_energy: 70 },
      { power_output: 9, session_energy: null }
    ])
    const { rows: rejected } = await db.query('DELETE FROM rejected_messages RETURNING code')
    assert.deepEqual(rejected, [{ code: 'conflict' }])
  })

  it('a server starts without looking into old chunks', async t => {
    const { rows: engine } = await db.query(
      "SELECT FROM pg_extension WHERE extname = 'timescaledb' AND current_setting('timescaledb.license', true) = 'timescale'"
    )
    if (engine.length === 0) return t.skip('needs TimescaleDB with the community licence: set TEST_DATABASE_URL')
    await until(
      async () => (await db.query('SELECT count(DISTINCT charger_id)::integer AS n FROM latest_readings')).rows[0].n,
      known => known === 3
    )
    await whileLateChunkIsLocked(async () => {
      const second = await harness.server(url, { workers: 1, nodeId: 'second' })
      await second.stop()
    })
  })

  it('a server that stops stores and acknowledges late rows as well', async () => {
    await harness.device('oldest')
    const client = await harness.client(server, 'oldest')
    const before = await receivedTotal()
    const ids = publishMixed(client, 'oldest')
    await until(receivedTotal, received => received === before + ids.length)
    assert.equal(await server.stop(), true)
    await client.wait(() => client.closed)
    assert.deepEqual(client.acks(), ids)
  })

  it('every late and every fresh row is stored once', async () => {
    const { rows } = await db.query(`
    SELECT count(*)::integer AS all, count(DISTINCT (charger_id, time))::integer AS once,
      (count(*) FILTER (WHERE time < now() - interval '9 days'))::integer AS late FROM ev_readings`)
    assert.equal(rows[0].late, times)
    assert.equal(rows[0].all, rows[0].once)
    const { rows: rejected } = await db.query('SELECT count(*)::integer AS n FROM rejected_messages')
    assert.equal(rejected[0].n, 0)
  })
})
