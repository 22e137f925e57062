import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, it, type TestContext } from 'node:test'
import { check, publishable, type Step } from './check.ts'
import { loadEdgeConfig } from './config.ts'
import { type Keyed, TestAuthority } from './testing/certificates.ts'
import { FakeBroker } from './testing/fakeBroker.ts'
import { json, startFakeCharger } from './testing/fakeCharger.ts'
import { temporaryFolder } from './testing/folder.ts'
import { readableLog } from './testing/log.ts'

let authority: TestAuthority
let server: Keyed
before(async () => {
  authority = await TestAuthority.make()
  server = await authority.issue('server', { dns: ['localhost'] })
})

async function steps(
  t: TestContext,
  prepare: (broker: FakeBroker) => void
): Promise<{ steps: Step[]; broker: FakeBroker }> {
  const folder = temporaryFolder(t)
  const broker = await FakeBroker.start({ ca: authority.ca, ...server })
  const box = await startFakeCharger(
    json({ ChgState: 'Idle', Uid: '', ChgDuration: 60, ChgNrg: 500, ActPwr: 0, ActCurr: 16 })
  )
  t.after(() => Promise.all([broker.stop(), box.stop()]))
  const { cert, key } = await authority.issue('wb')
  const files = { 'ca.pem': authority.ca, 'wb.pem': cert, 'wb.key': key }
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content)
  const yaml = `broker: mqtts://localhost:${broker.port}
tls: {ca: ca.pem, cert: wb.pem, key: wb.key}
chargers:
  - {name: wb, driver: mennekes-amtron, url: "${box.url}", devKey: "0000"}
`
  writeFileSync(join(folder, 'edge.yaml'), yaml)
  prepare(broker)
  const parts = { log: readableLog().log, kernel: async () => true, ackTimeoutMs: 300 }
  const found: Step[] = []
  for await (const step of check(loadEdgeConfig(join(folder, 'edge.yaml')), parts)) found.push(step)
  return { steps: found, broker }
}

const outcomesOf = (all: readonly Step[]) => Object.fromEntries(all.map(({ name, outcome }) => [name, outcome]))
const stepOf = (all: readonly Step[], name: Step['name']) => all.findLast(step => step.name === name)!

describe('check', () => {
  it('a server that refuses: that step fails with what to do, the charger is polled all the same', async t => {
    const { steps: all } = await steps(t, broker => {
      broker.connack = 5
    })
    assert.match(stepOf(all, 'broker').found, /CONNACK 5$/)
    assert.match(stepOf(all, 'broker').whatToDo!, /certificate: was it revoked\?/)
    const { broker, charger, store } = outcomesOf(all)
    assert.deepEqual([broker, charger, store], ['fail', 'ok', 'skip'])
    assert.equal(stepOf(all, 'charger').values?.OperationState, 'idle')
  })

  it('no PUBACK: the server cannot store; own client id, no lifetime energy', async t => {
    const { steps: all, broker } = await steps(t, fake => {
      fake.acks = false
    })
    assert.match(stepOf(all, 'store').found, /no acknowledgement in 0\.3 s/)
    assert.match(stepOf(all, 'store').whatToDo!, /database away/)
    assert.match(broker.connects[0]!.clientId, /^wb:check-\d+$/)
    assert.deepEqual(
      broker.published.filter(({ name }) => name === 'TotalEnergyConsumption'),
      []
    )
    assert.ok(broker.published.length > 0)
  })
})

describe('what a check publishes', () => {
  const values = { OperationState: 'charging', PowerOutput: 7_000, TotalEnergyConsumption: 1 } as const
  const known = new Map<string, unknown>([
    ['OperationState', 'charging'],
    ['PowerOutput', 6_900]
  ])

  it('where no edge runs: all but lifetime energy', () => {
    assert.deepEqual(publishable(values, known, false), { OperationState: 'charging', PowerOutput: 7_000 })
  })

  it('beside an edge: what the server shows already, else the state alone', () => {
    assert.deepEqual(publishable(values, known, true), { OperationState: 'charging' })
    assert.deepEqual(publishable(values, new Map(), true), { OperationState: 'charging' })
    assert.deepEqual(publishable(values, new Map([['PowerOutput', 7_000]]), true), { PowerOutput: 7_000 })
  })
})
