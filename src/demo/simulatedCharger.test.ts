import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { mennekesEcu } from '../edge/chargers/drivers/mennekesEcu.ts'
import { type SimulatedChargerOptions, startSimulatedCharger } from './simulatedCharger.ts'

interface ChargeData {
  readonly [field: string]: unknown
  readonly ChgState: string
  readonly Uid: string
  readonly ChgDuration: number
  readonly ChgNrg: number
  readonly ActPwr: number
}

/** Starts a simulated box. The test moves the box's clock. */
async function box(t: TestContext, options: Partial<SimulatedChargerOptions> = {}) {
  let nowMs = Date.UTC(2026, 10, 23)
  const charger = await startSimulatedCharger({ port: 0, devKey: '0000', name: 'wb', now: () => nowMs, ...options })
  t.after(() => charger.stop())
  const get = (path: string) => fetch(`${charger.url}/MHCP/1.0/${path}`)
  const read = async (path: string) => JSON.parse(await (await get(path)).text())
  const chargeData = (): Promise<ChargeData> => read('ChargeData?DevKey=0000')
  const move = (ms: number) => {
    nowMs += ms
  }
  return { charger, get, read, chargeData, move }
}

test('it charges within three seconds, and every poll of the first half minute shows another power', async t => {
  const { chargeData, move } = await box(t)
  const powers: number[] = []
  for (let second = 0; second < 30; second++) {
    const { ActPwr, ChgState } = await chargeData()
    if (second >= 3) assert.equal(ChgState, 'Charging')
    powers.push(ActPwr)
    move(1_000)
  }
  assert.equal(powers.filter((power, i) => i > 3 && power === powers[i - 1]).length, 0, powers.join())
  assert.ok(Math.max(...powers) < 11_500)
})

for (const speed of [1, 20]) {
  test(`sessions follow one another and energy is what the power delivers, at speed ${speed}`, async t => {
    const { chargeData, move } = await box(t, { speed })
    const stepMs = 250 / speed
    const words: string[] = []
    let wattMs = 0
    let before = await chargeData()
    let sessions = 0
    for (let step = 0; step < 2_100; step++) {
      move(stepMs)
      const now = await chargeData()
      if (now.ChgState !== words.at(-1)) words.push(now.ChgState)
      if (now.ChgNrg < before.ChgNrg) {
        sessions++
        assert.equal(now.ChgState, 'Charging')
        assert.ok(now.ChgDuration <= 1)
        wattMs = 0
      }
      wattMs += now.ActPwr * stepMs
      assert.ok(Math.abs(now.ChgNrg - wattMs / 3_600_000) <= 4, `${now.ChgNrg} Wh after ${wattMs / 3_600_000}`)
      if (now.ChgState !== 'Charging') assert.equal(now.ActPwr, 0)
      if (now.ChgState === 'Charging') assert.notEqual(now.Uid, '')
      if (now.ChgState === 'Idle') assert.equal(now.Uid, '')
      before = now
    }
    const cycle = ['Charging', 'Paused', 'Charging', 'Terminated', 'Idle', 'StandbyAuthorize', 'StandbyConnect']
    assert.deepEqual(words.slice(0, 15), ['StandbyConnect', ...cycle, ...cycle])
    assert.equal(sessions, 2)
  })
}

test('power tapers at the end of a session, and the counter stays until the next one', async t => {
  const { chargeData, move } = await box(t, { startPhase: 'resume' })
  move(70_000)
  const late = await chargeData()
  assert.ok(late.ActPwr > 0 && late.ActPwr < 4_000)
  move(20_000)
  const ended = await chargeData()
  move(20_000)
  const idle = await chargeData()
  assert.deepEqual([ended.ChgState, idle.ChgState], ['Terminated', 'Idle'])
  assert.ok(ended.ChgNrg > 0)
  assert.deepEqual([idle.ChgNrg, idle.ChgDuration], [ended.ChgNrg, ended.ChgDuration])
})

test('two boxes with the same seed say the same', async t => {
  const [a, b] = [await box(t, { seed: 7 }), await box(t, { seed: 7 })]
  for (const { move } of [a, b]) move(47_000)
  assert.deepEqual(await a.chargeData(), await b.chargeData())
})

test('it has exactly the fields of a real box', async t => {
  const { read } = await box(t)
  const fixture = new URL('../edge/chargers/drivers/fixtures/mennekes-amtron/f1-idle-with-limit.json', import.meta.url)
  const { default: real } = await import(fixture.href, { with: { type: 'json' } })
  const data = await read('ChargeData?DevKey=0000')
  assert.deepEqual(Object.keys(data), Object.keys(real.chargeData))
  for (const [name, value] of Object.entries(real.chargeData)) assert.equal(typeof data[name], typeof value, name)
  const { Err, Phases, Sn, Rfid } = await read('DevInfo?DevKey=0000')
  assert.deepEqual([Err, Phases, typeof Sn, Rfid], [0, 3, 'number', null])
})

test('403 for a wrong key, 404 elsewhere, and no command is taken', async t => {
  const { get, charger } = await box(t)
  assert.equal((await get('ChargeData?DevKey=1')).status, 403)
  assert.equal((await get('ChargeData')).status, 403)
  assert.equal((await get('Nothing?DevKey=0000')).status, 404)
  const url = `${charger.url}/MHCP/1.0/ChargeData?DevKey=0000`
  assert.equal((await fetch(url, { method: 'POST', body: '{}' })).status, 404)
})

test('records are read ten at a time behind a lock', async t => {
  const { get, read, move } = await box(t)
  move(251_000 * 12)
  const call = (state: string) => `ChargeRecords?DevKey=0000&Start=0&End=9999999999&State=${state}`
  assert.equal((await get(call('Read'))).status, 400, 'not without Open')
  await read(call('Open'))
  assert.equal((await get(call('Open'))).status, 400, 'locked')
  const first = await read(call('Read'))
  assert.deepEqual([first.RemEntries, first.Transactions.length], [2, 10])
  assert.deepEqual(Object.keys(first.Transactions[0]), ['Start', 'Stop', 'ChgNrg', 'ChgCosts', 'Uid'])
  move(1_900)
  assert.equal((await read(call('Alive'))).RemEntries, undefined)
  const rest = await read(call('Read'))
  assert.deepEqual([rest.RemEntries, rest.Transactions.length], [0, 2])
  move(2_100)
  assert.equal((await get(call('Read'))).status, 400, 'the lock ran out')
  await read(call('Open'))
  await read(call('Close'))
  await read(call('Open'))
})

test('it answers as an ECU, too: the meter never falls, and is the sum of the sessions', async t => {
  const { charger, chargeData, move } = await box(t, { speed: 20 })
  const clock = { monotonicMs: () => 0 }
  const ecu = mennekesEcu({ url: charger.url, devKey: '', clock })
  t.after(() => ecu.close())
  let finishedWh = 0
  let before = 0
  const states = new Set<string | undefined>()
  for (let step = 0; step < 60; step++) {
    const { values, implausible } = await ecu.poll()
    const { ChgNrg } = await chargeData()
    if (ChgNrg < before) finishedWh += before
    before = ChgNrg
    states.add(values.OperationState)
    assert.deepEqual(implausible, [])
    assert.equal(values.SessionEnergy, ChgNrg)
    assert.ok(Math.abs(values.TotalEnergyConsumption! - finishedWh - ChgNrg) <= 3)
    move(1_000)
  }
  assert.deepEqual([...states].sort(), ['charging', 'idle'])
})
