import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Engine } from '../../ingest/migrate.ts'
import type { ServerConfig } from '../config.ts'
import { testDatabase, testStartup } from '../testing/startup.ts'
import { Serving } from './serving.ts'
import { openStore } from './store.ts'

const engine: Engine = { name: 'plain PostgreSQL partitions', description: '17.0', hypertable: false, risks: [] }
const url = 'postgres://a@127.0.0.1:1/a'

async function open(config: Partial<ServerConfig>, tokens: readonly unknown[] = []) {
  const startup = testStartup(config)
  const serving = new Serving()
  const told: string[] = []
  const writes: string[] = []
  const { db, ended } = testDatabase(sql => {
    if (sql.includes('FROM access_tokens')) return tokens
    writes.push(/INSERT INTO (\w+)/.exec(sql)?.[1] ?? sql)
    return []
  })
  let lost = (_error: Error): void => {}
  const audit = {
    storeIn: (found: unknown) => told.push(`audit ${found === db}`),
    close: async () => told.push('audit closed')
  }
  const store = await openStore(
    startup,
    { audit: audit as never, serving },
    {
      database: async () => ({ databaseUrl: url, engine }),
      pool: (databaseUrl, isLost) => {
        assert.equal(databaseUrl, url)
        lost = isLost
        return db
      }
    }
  )
  return { startup, serving, store, told, writes, ended, lose: () => lost(new Error('reset')) }
}

test('the tokens are known as soon as the database answers, and audit rows are stored', async () => {
  const { serving, told, startup } = await open({})
  assert.equal(serving.tokenCache?.isGuarded, false)
  assert.deepEqual([told, startup.lines], [['audit true'], []])
  await startup.lifetime.close()
})

test('a server that others can reach warns while there is no token', async () => {
  const reachable = { httpHost: '0.0.0.0', httpTls: { cert: '', key: '' } }
  const without = await open(reachable)
  assert.equal(without.startup.lines.length, 1)
  assert.match(without.startup.lines[0]!, /^warn no_tokens there is no token yet/)
  const token = { hash: Buffer.alloc(32), kind: 'token', name: 'a', role: 'viewer', expires_at: null, in_force: true }
  const guarded = await open(reachable, [token])
  assert.deepEqual(guarded.startup.lines, [])
  for (const { startup } of [without, guarded]) await startup.lifetime.close()
})

test('what is written behind is written before the connections are closed', async () => {
  const { startup, store, told, writes, ended } = await open({})
  store.latest.note('chargers/c1/PowerOutput', { timeUs: 1, payload: '{}' })
  store.connections.note({
    identity: 'c1',
    clientId: 'c1',
    charger: 'c1',
    state: 'online',
    sinceUs: 1,
    address: '',
    node: 'a'
  })
  assert.deepEqual([writes, ended()], [[], 0])
  await startup.lifetime.close()
  assert.deepEqual(writes.sort(), ['edge_connections', 'latest_readings'])
  assert.deepEqual([told.at(-1), ended()], ['audit closed', 1])
})

test('a connection that the database lost is a warning', async () => {
  const { startup, lose } = await open({})
  lose()
  assert.deepEqual(startup.lines, ['warn database_connection_lost reset'])
  await startup.lifetime.close()
})
