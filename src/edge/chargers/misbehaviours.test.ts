// Tests one edge with a charger for every way in which a charger can misbehave. The tests check which values the server
// receives.

import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { loadEdgeConfig } from '../config.ts'
import { startEdge } from '../edge.ts'
import { TestAuthority } from '../testing/certificates.ts'
import { wireFaults } from '../testing/chargerContract.ts'
import { FakeBroker } from '../testing/fakeBroker.ts'
import { answer, json, type Reply, startFakeCharger } from '../testing/fakeCharger.ts'
import { temporaryFolder } from '../testing/folder.ts'
import { readableLog } from '../testing/log.ts'

/** The timeout is long, because all boxes share this process and a good answer must never be late. */
const pollTimeoutMs = 3_000
const lateMs = 4_000
/** The number of bad polls of a box after its first poll. */
const badPolls = 1

const good = { ChgState: 'Charging', Uid: 'A1', ChgDuration: 60, ChgNrg: 500, ActPwr: 6_000, ActCurr: 16 }
/** The n-th good answer after the bad answers. */
const goodAgain = (n: number) => ({ ...good, ChgDuration: 120, ChgNrg: 500 + n, ActPwr: 7_000 + n })
const body = JSON.stringify(good)

/** The values of a bad answer that are true all the same, by value name. */
type True = Readonly<Record<string, readonly (string | number)[]>>

const misbehaviours: readonly (readonly [name: string, reply: Reply, isTrue?: True])[] = [
  ...wireFaults(body, lateMs).map(([name, , reply]) => [name, reply] as const),
  ['half JSON', answer(200, body.slice(0, 40))],
  ['an array', json([good])],
  ['null', json(null)],
  ['NaN', answer(200, '{"ChgState":"Idle","ActPwr":NaN}')],
  ['a number beyond doubles', answer(200, '{"ChgState":"Idle","ActPwr":1e999}')],
  ['numbers as texts', json({ ...good, ChgState: 'Idle', ActPwr: '11000' })],
  ['a boolean as energy', json({ ...good, ChgState: 'Idle', ChgNrg: true })],
  ['a number as state', json({ ...good, ChgState: 3, ActPwr: 1 })],
  ['negative values', json({ ...good, ActPwr: -5, ChgNrg: -500, ActCurr: -1 })],
  ['power over 50 kW', json({ ...good, ActPwr: 50_001 })],
  ['0xFFFFFFFF', json({ ...good, ActPwr: 0xffffffff, ChgNrg: 0xffffffff })],
  ['an energy that leaps', json({ ...good, ChgNrg: 900_000 }), { SessionEnergy: [900_000] }],
  ['a state that nobody knows', json({ ...good, ChgState: 'Foo' }), { ChargerStatus: ['Foo'] }],
  ['only nulls', json({ ChgState: null, Uid: null, ChgNrg: null, ActPwr: null, ActCurr: 16 })],
  ['a counter that falls', json({ ...good, ChgNrg: 20, ChgDuration: 5 }), { SessionEnergy: [20] }]
]

/** Answers the first poll well, the next `badPolls` polls badly, and all later polls well. */
function box(reply: Reply): Reply {
  let polls = 0
  return (socket, path) => {
    if (path.includes('/DevInfo')) return json({ Err: 0, Phases: 3, Sn: 1 })(socket, path)
    polls++
    const n = polls - 1 - badPolls
    const now = polls === 1 ? json(good) : n <= 0 ? reply : json(goodAgain(n))
    now(socket, path)
  }
}

const expected: True = {
  OperationState: ['charging', 'unknown'],
  MaximumOutputCurrent: [16],
  ConnectedVehicle: ['A1'],
  ChargerStatus: ['Charging']
}

function isGood(name: string, value: unknown): boolean {
  if (expected[name]?.includes(value as string)) return true
  if (typeof value !== 'number') return false
  if (name === 'PowerOutput') return value === 6_000 || (value > 7_000 && value < 8_000)
  if (name === 'SessionEnergy') return value >= 500 && value < 1_000
  return name === 'TotalEnergyConsumption'
}

test(`${misbehaviours.length} misbehaviours: the edge stays up, resumes in two polls, tells nothing false`, async t => {
  const authority = await TestAuthority.make()
  const broker = await FakeBroker.start({
    ca: authority.ca,
    ...(await authority.issue('server', { dns: ['localhost'] }))
  })
  const names = misbehaviours.map((_, i) => `box-${i}`)
  const boxes = await Promise.all(misbehaviours.map(([, reply]) => startFakeCharger(box(reply))))
  t.after(() => Promise.all([broker.stop(), ...boxes.map(box => box.stop())]))
  const folder = temporaryFolder(t)
  const device = await authority.issue('site', { uris: names.map(name => `urn:chargelift:charger:${name}`) })
  const files = { 'ca.pem': authority.ca, 'site.pem': device.cert, 'site.key': device.key }
  for (const [file, text] of Object.entries(files)) writeFileSync(join(folder, file), text)
  const chargers = names.map((name, i) => ({
    name,
    driver: 'mennekes-amtron',
    url: boxes[i]!.url,
    devKey: '0000',
    pollIntervalMs: 200
  }))
  const tls = { ca: 'ca.pem', cert: 'site.pem', key: 'site.key' }
  writeFileSync(
    join(folder, 'edge.yaml'),
    JSON.stringify({ broker: `mqtts://localhost:${broker.port}`, tls, chargers })
  )
  const { log, events } = readableLog()
  const kernel = async () => true
  const edge = await startEdge(loadEdgeConfig(join(folder, 'edge.yaml')), { log, kernel, pollTimeoutMs })
  t.after(() => edge.stop())

  // Sorted by time, because current values are sent before the backlog.
  const of = (charger: string) =>
    broker.published.filter(({ topic }) => topic.startsWith(`chargers/${charger}/`)).sort((a, b) => a.timeMs - b.timeMs)
  const powersOf = (charger: string) =>
    of(charger).flatMap(({ name, value }) => (name === 'PowerOutput' ? [value as number] : []))
  const resumedAt = (charger: string) =>
    powersOf(charger)
      .slice(1)
      .find(watts => watts !== 6_000)
  // The current state is sent before the backlog. With a slow broker, the fifth good poll arrives before the first.
  await broker.until(() => names.every(name => powersOf(name)[0] === 6_000 && resumedAt(name)! <= 7_002))

  for (const [i, [name, , isTrue]] of misbehaviours.entries()) {
    const published = of(names[i]!)
    assert.equal(powersOf(names[i]!)[0], 6_000, name)
    const resumed = resumedAt(names[i]!)!
    assert.ok(resumed <= 7_002, `${name}: resumed at its good poll ${resumed - 7_000}`)
    const wrong = published.filter(
      ({ name, value }) => !isGood(name, value) && !isTrue?.[name]?.includes(value as number)
    )
    assert.deepEqual(
      wrong.map(({ name, value }) => [name, value]),
      [],
      name
    )
    const totals = published.flatMap(({ name, value }) => (name === 'TotalEnergyConsumption' ? [value as number] : []))
    assert.ok(
      totals.every((wh, i) => i === 0 || wh >= totals[i - 1]!),
      `${name}: ${totals}`
    )
    assert.ok(totals.at(-1)! < 2_000, `${name}: ${totals}`)
    assert.equal(boxes[i]!.overlap(), 1, `${name}: one request in flight`)
  }
  await edge.stop()
  assert.ok(!events().includes('sample_failed'))
})
