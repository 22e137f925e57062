// Tests a server over its memory budget. The database stores nothing and all clients send. The server stays small,
// polite and whole.

import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import type pg from 'pg'
import { fairShareMessagesMin } from '../../src/model/server/limits.ts'
import { budgetBytesMin } from '../../src/server/limits.ts'
import type { RunningServer } from '../../src/server/server.ts'
import { envelope, Harness, until } from '../harness.ts'
import type { WireClient } from '../wire.ts'

describe('over the memory budget', () => {
  const harness = Harness.use()
  const pushers = Array.from({ length: 10 }, (_, i) => `pusher${i}`)
  let server: RunningServer
  let db: pg.Client

  before(async () => {
    const url = await harness.database()
    server = await harness.server(url, { budgetBytes: budgetBytesMin / 16 })
    db = await harness.session(url)
    for (const name of [...pushers, 'modest', 'newcomer']) await harness.device(name)
  })

  const metric = async (name: string): Promise<number> => {
    const text = await (await fetch(`http://127.0.0.1:${server.httpPort}/metrics`)).text()
    return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1])
  }
  const isAnswered = async (client: WireClient): Promise<boolean> => {
    const before = client.received.filter(({ cmd }) => cmd === 'pingresp').length
    client.send({ cmd: 'pingreq' })
    await client
      .wait(() => client.received.filter(({ cmd }) => cmd === 'pingresp').length > before, 300)
      .catch(() => {})
    return client.received.filter(({ cmd }) => cmd === 'pingresp').length > before
  }

  it('the greedy are not read, the modest are; newcomers get return code 3, QoS 0 is dropped; then all is stored', async () => {
    const modest = await harness.client(server, 'modest')
    const clients = await Promise.all(pushers.map(name => harness.client(server, name)))
    await db.query('BEGIN; LOCK TABLE ev_readings IN ACCESS EXCLUSIVE MODE')
    // Long words fill the budget with few messages, far fewer than a window.
    const word = 'x'.repeat(64)
    const sent = clients.map((client, i) =>
      client.publishAll(
        Array.from({ length: 900 }, () => [`chargers/pusher${i}/ChargerStatus`, envelope(word)] as const)
      )
    )
    await until(
      () => metric('chargelift_budget_used_bytes'),
      used => used >= budgetBytesMin / 16
    )
    await isAnswered(clients[0]!) // the server decides to hold a client when the client sends
    assert.equal(await isAnswered(clients[0]!), false)
    await modest.ping()
    const ids = Array.from({ length: fairShareMessagesMin - 1 }, () =>
      modest.publish('chargers/modest/PowerOutput', envelope(1))
    )
    await modest.ping()
    modest.publish('chargers/modest/PowerOutput', envelope(2), { qos: 0 })
    await until(
      () => metric('chargelift_messages_dropped_total'),
      dropped => dropped === 1
    )
    const newcomer = await harness.client(server, 'newcomer')
    const connack = newcomer.received.find(({ cmd }) => cmd === 'connack')
    assert.equal(connack?.cmd === 'connack' && connack.returnCode, 3)

    await db.query('ROLLBACK')
    await Promise.all(clients.map((client, i) => client.acked(...sent[i]!)))
    await modest.acked(...ids)
    for (const [i, client] of clients.entries()) assert.deepEqual(client.acks(), sent[i])
    await clients[0]!.ping()
    const { rows } = await db.query('SELECT count(*)::integer AS n FROM ev_readings')
    assert.equal(rows[0].n, 900 * pushers.length + ids.length)
    assert.equal(await metric('chargelift_budget_used_bytes'), 0)
  })
})
