import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, type TestContext, test } from 'node:test'
import { type EdgeConfig, loadEdgeConfig } from './config.ts'
import { startEdge } from './edge.ts'
import { type Keyed, TestAuthority } from './testing/certificates.ts'
import { FakeBroker } from './testing/fakeBroker.ts'
import { answer, type FakeCharger, json, startFakeCharger } from './testing/fakeCharger.ts'
import { temporaryFolder } from './testing/folder.ts'
import { readableLog } from './testing/log.ts'

let authority: TestAuthority
let server: Keyed
before(async () => {
  authority = await TestAuthority.make()
  server = await authority.issue('server', { dns: ['localhost'] })
})

const devKey = 'very-secret-0042'
const idle = { ChgState: 'Idle', Uid: '', ChgDuration: 60, ChgNrg: 500, ActPwr: 0, ActCurr: 16 }
const charging = { ChgState: 'Charging', Uid: 'A1', ChgDuration: 5, ChgNrg: 10, ActPwr: 7_400, ActCurr: 16 }

interface Site {
  readonly broker: FakeBroker
  readonly boxes: FakeCharger[]
  readonly config: EdgeConfig
}

/** Starts a broker and one charger for each name, and reads the edge's configuration for them from a file. */
async function site(t: TestContext, ...names: string[]): Promise<Site> {
  const folder = temporaryFolder(t)
  const broker = await FakeBroker.start({ ca: authority.ca, ...server })
  const boxes = await Promise.all(names.map(() => startFakeCharger(json(idle))))
  t.after(() => Promise.all([broker.stop(), ...boxes.map(box => box.stop())]))
  const device = await authority.issue('site', { uris: names.map(name => `urn:chargelift:charger:${name}`) })
  writeFileSync(join(folder, 'ca.pem'), authority.ca)
  writeFileSync(join(folder, 'site.pem'), device.cert)
  writeFileSync(join(folder, 'site.key'), device.key)
  const chargers = names.map((name, i) => {
    const fields = { name, driver: 'mennekes-amtron', url: boxes[i]!.url, devKey, pollIntervalMs: 100 }
    return `  - ${JSON.stringify(fields)}`
  })
  const text = [
    `broker: mqtts://localhost:${broker.port}`,
    'tls: {ca: ca.pem, cert: site.pem, key: site.key}',
    'chargers:',
    ...chargers
  ]
  writeFileSync(join(folder, 'edge.yaml'), text.join('\n'))
  return { broker, boxes, config: loadEdgeConfig(join(folder, 'edge.yaml')) }
}

test('from HTTP answer to broker: only changes, in order, one write a poll; the key is never logged', async t => {
  const { broker, boxes, config } = await site(t, 'wb')
  const { log, text, events } = readableLog()
  const edge = await startEdge(config, { log })
  t.after(() => edge.stop())
  await broker.until(() => broker.publishes >= 14 && events().includes('connected'))
  const { records, publishes } = broker
  boxes[0]!.reply = json(charging)
  await broker.until(() => broker.publishes >= publishes + 6)
  assert.equal(broker.records - records, 1)
  const changed = broker.published.slice(publishes)
  assert.deepEqual(
    changed.map(({ name, value }) => [name, value]),
    [
      ['OperationState', 'charging'],
      ['TotalEnergyConsumption', 510],
      ['SessionEnergy', 10],
      ['PowerOutput', 7_400],
      ['ConnectedVehicle', 'A1'],
      ['ChargerStatus', 'Charging']
    ]
  )
  boxes[0]!.reply = answer(403, '')
  await broker.until(() => events().includes('poll_failed'))
  await edge.stop()
  assert.equal(broker.goodbyes, 1)
  assert.equal(broker.publishes, publishes + 6)
  assert.doesNotMatch(text(), /very-secret|DevKey=/)
})

test('what was sampled while the broker was away arrives after a restart of the edge', async t => {
  const { broker, boxes, config } = await site(t, 'wb')
  broker.connack = 3
  const { log, events } = readableLog()
  const first = await startEdge(config, { log })
  await broker.until(() => events().includes('charger_state'))
  boxes[0]!.reply = json(charging)
  await broker.until(() => events().filter(event => event === 'charger_state').length >= 2)
  await first.stop()
  assert.equal(broker.publishes, 0)
  broker.connack = 0
  boxes[0]!.reply = json({ ...charging, ChgNrg: 25, ChgDuration: 12 })
  const second = await startEdge(config, { log })
  await broker.until(() => broker.published.some(({ value }) => value === 525))
  await second.stop()
  const totals = broker.published.filter(({ name, retain }) => name === 'TotalEnergyConsumption' && !retain)
  assert.deepEqual(totals.map(({ value }) => value).slice(0, 2), [500, 510])
})

test('one broken charger does not slow the others', async t => {
  const { broker, boxes, config } = await site(t, 'broken', 'good')
  boxes[0]!.reply = () => {}
  const { log } = readableLog()
  const edge = await startEdge(config, { log })
  t.after(() => edge.stop())
  await broker.until(() => boxes[1]!.paths.length >= 6)
  assert.equal(boxes[0]!.paths.length, 1, 'one request at a time')
  assert.ok(broker.published.every(({ topic }) => topic.startsWith('chargers/good/')))
})

test('every charger of the edge has its EdgeStatus at the server', async t => {
  const { broker, config } = await site(t, 'left', 'right')
  const edge = await startEdge(config, { log: readableLog().log })
  t.after(() => edge.stop())
  await broker.until(() => broker.statuses.length >= 2)
  assert.deepEqual(broker.statuses.map(({ topic }) => topic).sort(), [
    'chargers/left/EdgeStatus',
    'chargers/right/EdgeStatus'
  ])
  const { Version, CertificateExpiry, Dropped } = broker.statuses[0]!.status
  assert.match(String(Version), /^\d+\.\d+\.\d+/)
  assert.deepEqual([CertificateExpiry, Dropped], [new Date(config.certificateEndsMs).toISOString(), 0])
})

test('a running edge loads no zod and no YAML: its memory is small', () => {
  const script = `
    import { registerHooks } from 'node:module'
    const found = new Set()
    const resolve = (specifier, context, next) => {
      if (/^[a-z@]/.test(specifier)) found.add(specifier.split('/')[0])
      return next(specifier, context)
    }
    registerHooks({ resolve })
    const { loadEdge } = await import(${JSON.stringify(new URL('edge.ts', import.meta.url).href)})
    await loadEdge({ chargers: [{ driver: 'mennekes-amtron' }, { driver: 'mennekes-ecu' }] })
    await import(${JSON.stringify(new URL('statusFile.ts', import.meta.url).href)})
    console.log(JSON.stringify([...found]))`
  const loaded: string[] = JSON.parse(
    execFileSync(process.execPath, ['--input-type=module', '--eval', script], { encoding: 'utf8' })
  )
  assert.ok(loaded.includes('mqtt') && loaded.includes('undici'), loaded.join(' '))
  assert.deepEqual(
    loaded.filter(name => name === 'zod' || name === 'yaml'),
    []
  )
})
