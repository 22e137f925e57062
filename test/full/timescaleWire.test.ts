// Tests the wire server of test/timescale/. Our driver sees the same from it as from a real server.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createConnection } from 'node:net'
import { text } from 'node:stream/consumers'
import { after, before, beforeEach, describe, it } from 'node:test'
import pg from 'pg'
import { from as copyFrom, to as copyTo } from 'pg-copy-streams'
import { WireServer } from '../timescale/wireServer.ts'

describe('the wire server over TimescaleDB in WebAssembly', () => {
  let server: WireServer
  let url: string
  const clients: pg.Client[] = []

  async function connect(config: pg.ClientConfig = {}): Promise<pg.Client> {
    const client = new pg.Client({ connectionString: url, ...config })
    client.on('error', () => {})
    clients.push(client)
    await client.connect()
    return client
  }
  const valuesOf = async (client: pg.Client, sql: string): Promise<unknown[]> =>
    (await client.query({ text: sql, rowMode: 'array' })).rows.flat()

  async function copy(client: pg.Client, sql: string, data: string): Promise<void> {
    const stream = client.query(copyFrom(sql))
    stream.end(data)
    await once(stream, 'finish')
  }

  before(async () => {
    server = await WireServer.start()
    const admin = new pg.Client({ connectionString: server.url })
    await admin.connect()
    await admin.query('CREATE DATABASE wire')
    await admin.end()
    url = server.url.replace(/postgres$/, 'wire')
    await (await connect()).query('CREATE TABLE rows (id integer PRIMARY KEY, name text)')
  })
  after(async () => {
    for (const client of clients) await client.end()
    await server.stop()
  })
  beforeEach(async () => {
    await clients[0]!.query('DELETE FROM rows')
  })

  it('COPY stores, its error names what it would, and the connection is as before', async () => {
    const client = await connect()
    await copy(client, 'COPY rows (id, name) FROM STDIN', '1\tone\n2\ttwo\n')
    await assert.rejects(copy(client, 'COPY rows (id, name) FROM STDIN', '3\tthree\n1\tagain\n'), { code: '23505' })
    await assert.rejects(copy(client, 'COPY nowhere FROM STDIN', '3\tthree\n'), { code: '42P01' })
    await assert.rejects(copy(client, 'COPY rows (id, name) FROM STDIN BINARY', '3\tthree\n'), { code: '22P04' })
    assert.deepEqual(await valuesOf(client, 'SELECT name FROM rows ORDER BY id'), ['one', 'two'])
    assert.equal(await text(client.query(copyTo('COPY rows TO STDOUT'))), '1\tone\n2\ttwo\n')
  })

  it('a COPY that fails within a transaction fails it, and a savepoint mends it', async () => {
    const client = await connect()
    await client.query('BEGIN')
    await copy(client, 'COPY rows (id) FROM STDIN', '1\n')
    await client.query('SAVEPOINT part')
    await assert.rejects(copy(client, 'COPY rows (id) FROM STDIN', '1\n'), { code: '23505' })
    await assert.rejects(client.query('SELECT 1'), { code: '25P02' })
    await client.query('ROLLBACK TO SAVEPOINT part')
    await copy(client, 'COPY rows (id) FROM STDIN', '2\n')
    await client.query('COMMIT')
    assert.deepEqual(await valuesOf(client, 'SELECT id FROM rows ORDER BY id'), [1, 2])
  })

  it('an exchange of any length is answered, also where a message ends with a block of the instance', async () => {
    const client = await connect()
    for (const around of [8_192, 32_768]) {
      for (let length = around - 120; length <= around; length++) {
        const value = 'x'.repeat(length)
        assert.deepEqual(await valuesOf(client, `SELECT ${length}`), [length])
        const { rows } = await client.query('SELECT length($1) AS length', [value])
        assert.deepEqual(rows, [{ length }])
        const { rows: parsed } = await client.query(`SELECT length('${value}') + $1::integer AS length`, [0])
        assert.deepEqual(parsed, [{ length }])
      }
    }
    await assert.rejects(client.query('SELECT $1::integer', ['x'.repeat(8_192)]), { code: '22P02' })
    assert.deepEqual(await valuesOf(client, 'SELECT 1'), [1])
  })

  it('a COPY that its client gives up stores nothing', async () => {
    const client = await connect()
    const stream = client.query(copyFrom('COPY rows (id) FROM STDIN'))
    stream.write('1\n')
    stream.destroy(new Error('given up'))
    await assert.rejects(once(stream, 'finish'), /given up/)
    assert.deepEqual(await valuesOf(client, 'SELECT id FROM rows'), [])
  })

  it('whoever has begun a transaction ends it before others go on, also by leaving', async () => {
    const [first, second] = [await connect(), await connect()]
    const order: string[] = []
    await first.query('BEGIN')
    await first.query('INSERT INTO rows VALUES (1)')
    const waiting = second.query('INSERT INTO rows SELECT count(*) + 10 FROM rows').then(() => order.push('second'))
    await first.query('INSERT INTO rows VALUES (2)')
    await first.query('COMMIT').then(() => order.push('first'))
    await waiting
    assert.deepEqual(order, ['first', 'second'])
    assert.deepEqual(await valuesOf(second, 'SELECT id FROM rows ORDER BY id'), [1, 2, 12])
    await first.query('BEGIN')
    await first.query('DELETE FROM rows')
    await first.end()
    assert.deepEqual(await valuesOf(second, 'SELECT count(*)::integer FROM rows'), [3])
  })

  it('who waits can be cancelled', async () => {
    const [first, second] = [await connect(), await connect()]
    await first.query('BEGIN')
    const cancelled = assert.rejects(second.query('SELECT 1'), { code: '57014' })
    const { processID } = second as unknown as { processID: number }
    const socket = createConnection(Number(new URL(url).port), '127.0.0.1')
    socket.write(cancelRequest(processID))
    await cancelled
    await first.query('COMMIT')
    assert.deepEqual(await valuesOf(second, 'SELECT 2'), [2])
  })

  it('each connection keeps its settings and its temporary table', async () => {
    const first = await connect({ application_name: 'first' })
    const second = await connect({ application_name: 'second', statement_timeout: 7_000 })
    const temporary = 'CREATE TEMP TABLE staged (id integer) ON COMMIT DELETE ROWS'
    await first.query(`SET timezone = 'Asia/Tokyo'; ${temporary}`)
    await second.query(`SET timezone = 'America/Lima'; ${temporary}`)
    const shown = `SELECT current_setting('application_name'), current_setting('timezone'), current_setting('statement_timeout')`
    for (let i = 0; i < 2; i++) {
      assert.deepEqual(await valuesOf(first, shown), ['first', 'Asia/Tokyo', '0'])
      await copy(first, 'COPY staged FROM STDIN', '1\n')
      assert.deepEqual(await valuesOf(second, shown), ['second', 'America/Lima', '7s'])
      assert.deepEqual(await valuesOf(second, 'SELECT id FROM staged'), [])
    }
  })

  it('an advisory lock of a session is had by one, who keeps nobody from other work', async () => {
    const [first, second] = [await connect(), await connect()]
    await first.query('SELECT pg_advisory_lock($1)', [5])
    let isTaken = false
    const taken = second.query('SELECT pg_advisory_lock($1)', [5]).then(() => {
      isTaken = true
    })
    const third = await connect()
    await third.query('INSERT INTO rows VALUES (1)')
    assert.equal(isTaken, false)
    await first.query('SELECT pg_advisory_unlock($1)', [5])
    await taken
    await second.end() // the next connection gets the lock
    await third.query('SELECT pg_advisory_lock($1)', [5])
    await third.query('SELECT pg_advisory_unlock($1)', [5])
  })

  it('databases are apart; one that is dropped is gone with its connections', async () => {
    const admin = await connect({ connectionString: server.url })
    await admin.query('CREATE DATABASE other')
    const other = await connect({ connectionString: server.url.replace(/postgres$/, 'other') })
    await assert.rejects(other.query('SELECT FROM rows'), { code: '42P01' })
    await other.query('BEGIN')
    const ended = new Promise<void>(resolve => other.on('end', resolve))
    await admin.query('DROP DATABASE IF EXISTS other WITH (FORCE)')
    await ended
    await assert.rejects(connect({ connectionString: server.url.replace(/postgres$/, 'other') }), { code: '3D000' })
  })
})

function cancelRequest(processId: number): Buffer {
  const bytes = Buffer.alloc(16)
  for (const [i, number] of [16, 80_877_102, processId, 0].entries()) bytes.writeInt32BE(number, i * 4)
  return bytes
}
