import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ChargerValues } from '../model/chargerState.ts'
import { PollError, type Sample } from './chargers/charger.ts'
import type { ChargerMemory, NewSample } from './spool.ts'
import { readableLog } from './testing/log.ts'
import { Watch } from './watch.ts'

const start = Date.UTC(2026, 10, 23)

/** A spool that keeps everything in memory and fails when told to. */
class MemorySpool {
  readonly samples: NewSample[] = []
  readonly memories = new Map<string, ChargerMemory>()
  fails = false
  append(sample: NewSample, memory: ChargerMemory): number {
    if (this.fails) throw new Error('disk full')
    this.memories.set(sample.charger, structuredClone(memory))
    return this.samples.push(sample)
  }
  memoryOf = (charger: string) => this.memories.get(charger)
}

function watching(spool = new MemorySpool()) {
  const { log, lines, events } = readableLog()
  const clock = { nowMs: () => now.ms, monotonicMs: () => now.ms }
  const now = { ms: start }
  let woken = 0
  const watch = new Watch({ charger: 'wb', spool, heartbeatMs: 900_000, clock, log, onAppended: () => woken++ })
  const take = (values: Partial<ChargerValues>, more: Partial<Sample> = {}) =>
    watch.take({ arrivedMs: now.ms, arrivedMonotonicMs: now.ms, values, implausible: [], ...more })
  return { watch, spool, take, now, lines, events, woken: () => woken }
}

const session = (energyWh: number, durationSeconds = 60) => ({ session: { energyWh, durationSeconds } })
const late = new PollError('timeout', 'late')

test('the values of one poll share one sampling time, with the lifetime energy among them', () => {
  const { spool, take, woken } = watching()
  take({ OperationState: 'charging', SessionEnergy: 500 }, session(500))
  assert.deepEqual(spool.samples, [
    {
      charger: 'wb',
      timeMs: start,
      values: { OperationState: 'charging', TotalEnergyConsumption: 500, SessionEnergy: 500 }
    }
  ])
  assert.equal(woken(), 1)
})

test('nothing new, nothing spooled; the same again after a heartbeat with the time of the latest poll', () => {
  const { spool, take, now, woken } = watching()
  take({ OperationState: 'idle' })
  now.ms += 899_999
  take({ OperationState: 'idle' })
  assert.equal(woken(), 1)
  now.ms += 1
  take({ OperationState: 'idle' })
  assert.deepEqual(spool.samples.at(-1), { charger: 'wb', timeMs: start + 900_000, values: { OperationState: 'idle' } })
})

test('when the disk fails nothing moves, and the next poll tells the same news', () => {
  const { spool, take, now, watch } = watching()
  take({ OperationState: 'idle' }, session(100))
  spool.fails = true
  now.ms += 10_000
  assert.throws(() => take({ OperationState: 'charging' }, session(130)), /disk full/)
  assert.equal(watch.now().known.OperationState?.value, 'idle')
  spool.fails = false
  now.ms += 10_000
  take({ OperationState: 'charging' }, session(160))
  assert.deepEqual(spool.samples.at(-1)?.values, { OperationState: 'charging', TotalEnergyConsumption: 160 })
})

test('a restart goes on with state, energy and time', () => {
  const { spool, take } = watching()
  take({ OperationState: 'idle', SessionEnergy: 100 }, session(100))
  const again = watching(spool)
  again.now.ms = start - 60_000
  again.take({ OperationState: 'idle', SessionEnergy: 100 }, session(100))
  assert.equal(spool.samples.length, 1, 'nothing new')
  again.take({ OperationState: 'idle', SessionEnergy: 30 }, session(30, 5))
  assert.deepEqual(spool.samples.at(-1), {
    charger: 'wb',
    timeMs: start + 1,
    values: { TotalEnergyConsumption: 130, SessionEnergy: 30 }
  })
})

test('a failed poll publishes nothing; the third in a row says unknown, once; then the truth again', () => {
  const { spool, take, watch, now, events, lines } = watching()
  take({ OperationState: 'charging', PowerOutput: 11_000 })
  for (let miss = 1; miss <= 5; miss++) {
    now.ms += 10_000
    watch.miss(late)
    assert.equal(spool.samples.length, miss < 3 ? 1 : 2)
  }
  assert.deepEqual(spool.samples[1], { charger: 'wb', timeMs: start + 30_000, values: { OperationState: 'unknown' } })
  now.ms += 10_000
  take({ OperationState: 'charging', PowerOutput: 11_000 })
  assert.deepEqual(spool.samples[2]?.values, { OperationState: 'charging' })
  assert.deepEqual(events(), ['charger_state', 'poll_failed', 'charger_state', 'poll_recovered', 'charger_state'])
  assert.equal(lines[3]?.misses, 5)
})

test('a charger that never answered has no state to be unknown', () => {
  const { spool, watch } = watching()
  for (let miss = 0; miss < 5; miss++) watch.miss(late)
  assert.deepEqual(spool.samples, [])
})

test('every other cause of failure is told once', () => {
  const { watch, lines } = watching()
  for (const code of ['timeout', 'timeout', 'forbidden', 'forbidden', 'timeout'] as const) {
    watch.miss(new PollError(code, 'x'))
  }
  assert.deepEqual(
    lines.map(({ fault }) => fault),
    ['timeout', 'forbidden', 'timeout']
  )
})

test('until the clock is set nothing is spooled', () => {
  const { spool, take, now, events } = watching()
  now.ms = 1_000
  take({ OperationState: 'idle' }, session(5_000))
  take({ OperationState: 'idle' }, session(5_000))
  assert.deepEqual([spool.samples, events()], [[], ['clock_not_set']])
  now.ms = start
  take({ OperationState: 'idle' }, session(5_010))
  assert.equal(spool.samples[0]?.values.TotalEnergyConsumption, 5_010)
})

test('a poll without the session counter publishes no lifetime energy and loses none', () => {
  const { spool, take, now } = watching()
  take({ OperationState: 'charging' }, session(100))
  now.ms += 10_000
  take({ OperationState: 'idle' })
  now.ms += 10_000
  take({ OperationState: 'idle' }, session(150))
  assert.deepEqual(
    spool.samples.map(({ values }) => values.TotalEnergyConsumption),
    [100, undefined, 150]
  )
})

test('an impossible counter adds nothing, and the time to judge the next one by goes on', () => {
  const { spool, take, now } = watching()
  take({ OperationState: 'charging' }, session(100))
  now.ms += 10_000
  take({ OperationState: 'charging' }, session(90_000))
  now.ms += 10_000
  take({ OperationState: 'charging' }, session(160))
  assert.equal(spool.samples.at(-1)?.values.TotalEnergyConsumption, 160)
})

test('the serial number is logged, remembered, and a change of it told', () => {
  const { take, now, lines, spool } = watching()
  const device = (serial: string) => ({ device: { serial } })
  take({ OperationState: 'idle' }, device('1'))
  now.ms += 1
  take({ OperationState: 'idle' }, device('1'))
  take({ OperationState: 'charging' }, device('2'))
  assert.deepEqual(
    lines.filter(({ serial }) => serial !== undefined).map(({ event, serial, before }) => [event, serial, before]),
    [
      ['charger_identified', '1', undefined],
      ['charger_serial_changed', '2', '1']
    ]
  )
  assert.equal(spool.memoryOf('wb')?.serial, '2')
})

test('implausible values are counted, and told once', () => {
  const { take, watch, events } = watching()
  for (let poll = 0; poll < 3; poll++) take({ OperationState: 'idle' }, { implausible: ['ActPwr -1', 'Uid'] })
  assert.equal(watch.implausible, 6)
  assert.equal(events().filter(event => event === 'implausible_value').length, 1)
})
