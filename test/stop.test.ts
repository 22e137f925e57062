// How a server stops: it drains gradually, and it never stops between a commit and its acknowledgement.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { envelope, Harness, until } from './harness.ts'

describe('a server that stops', () => {
  const harness = Harness.use()
  /** Long enough that even a slow machine asks /readyz while the server drains. */
  const drainMs = 3_000
  const names = Array.from({ length: 6 }, (_, i) => `c${i}`)

  it('drains: connections close one by one, acknowledged; /readyz says so, and nobody new comes in', async () => {
    const url = await harness.database()
    const server = await harness.server(url, { drainMs })
    const db = await harness.session(url)
    for (const name of names) await harness.device(name)
    const clients = await Promise.all(names.map(name => harness.client(server, name)))
    const closedAtMs: number[] = []
    for (const client of clients) client.socket.once('close', () => closedAtMs.push(performance.now()))
    // Every client publishes until its connection ends.
    const publishing = setInterval(() => {
      for (const [i, client] of clients.entries()) {
        if (!client.closed) client.publish(`chargers/c${i}/PowerOutput`, envelope(i))
      }
    }, 5)
    await until(() => clients.every(client => client.acks().length > 3), Boolean)

    const stoppedAtMs = performance.now()
    const stopped = server.stop()
    const response = await fetch(`http://127.0.0.1:${server.httpPort}/readyz`)
    assert.deepEqual([response.status, await response.json()], [503, { status: 'not ready', reasons: ['stopping'] }])
    const late = await harness.client(server, 'c0', { clientId: 'c0:late' })
    assert.equal(late.received.length, 0)
    assert.equal(await stopped, true)
    clearInterval(publishing)
    await until(() => clients.every(({ closed }) => closed), Boolean)

    // Only the last client's turn is checked, because it is at the end of the drain. An earlier client waits for its
    // acknowledgement, and the database decides when that comes.
    assert.equal(closedAtMs.length, names.length)
    const lastMs = closedAtMs.at(-1)! - stoppedAtMs
    assert.ok(lastMs >= drainMs - names.length, `the last one was closed after ${lastMs} ms`)
    const { rows } = await db.query('SELECT count(*)::integer AS stored FROM ev_readings')
    const acknowledged = clients.reduce((sum, client) => sum + client.acks().length, 0)
    assert.equal(acknowledged, rows[0].stored, 'what is stored is acknowledged, and the other way round')
  })
})
