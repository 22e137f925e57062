// Tests which servers are alive: what each server publishes, and what a server does if another server is silent.

import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { RecordedDb } from '../../history/testing/recordedDb.ts'
import { watchNodes } from './nodes.ts'

const silentMs = 30_000

async function bench(t: TestContext, isThereAtFirst = false) {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const state = { wasThere: isThereAtFirst, isAway: false, gone: [] as object[] }
  const told: string[] = []
  const recorded = new RecordedDb([
    [
      'INSERT INTO nodes',
      () => {
        if (state.isAway) throw new Error('away')
        return [{ was_there: state.wasThere }]
      }
    ],
    ['DELETE FROM nodes', () => state.gone.splice(0)]
  ])
  const stop = watchNodes({
    db: recorded.db,
    node: 'n1',
    silentMs,
    gone: (charger, sinceUs) => told.push(`${charger} gone ${sinceUs}`),
    wasTakenOut: () => told.push('taken out'),
    failed: ({ message }) => told.push(`failed: ${message}`)
  })
  const pass = async (ms: number): Promise<void> => {
    t.mock.timers.tick(ms)
    for (let i = 0; i < 5; i++) await turn()
  }
  await pass(0)
  state.wasThere = true
  return { state, told, recorded, stop, pass, said: () => recorded.of('INSERT INTO nodes').length }
}

test('a server says that it lives six times within the silence that is allowed, from its start on', async t => {
  const { said, pass, stop } = await bench(t)
  assert.equal(said(), 1)
  await pass(silentMs / 6 - 1)
  assert.equal(said(), 1)
  await pass(1)
  assert.equal(said(), 2)
  await stop()
  await pass(silentMs)
  assert.equal(said(), 2)
})

test('a new server was never taken out, one that finds its row gone was', async t => {
  const { state, told, pass } = await bench(t)
  assert.deepEqual(told, [])
  await pass(silentMs / 6)
  assert.deepEqual(told, [])
  state.wasThere = false
  await pass(silentMs / 6)
  assert.deepEqual(told, ['taken out'])
})

test('the chargers of a silent server are gone, if no other one has them', async t => {
  const { state, told, recorded, pass } = await bench(t)
  state.gone = [{ charger: 'w1', sinceUs: '1700000000000001' }]
  await pass(silentMs / 6)
  await pass(silentMs / 6)
  assert.deepEqual(told, ['w1 gone 1700000000000001'])
  assert.deepEqual(recorded.of('DELETE FROM nodes')[0]!.values, ['n1', silentMs])
})

test('a database that is away is told once, until it answers', async t => {
  const { state, told, pass } = await bench(t)
  for (const isAway of [true, true, false, true]) {
    state.isAway = isAway
    await pass(silentMs / 6)
  }
  assert.deepEqual(told, ['failed: away', 'failed: away'])
})
