import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { ChargerValues } from '../model/wire/chargerState.ts'
import { ChargerRecorder, type ChargerRecorderOptions } from './chargerRecorder.ts'
import { PollError, type Sample } from './chargers/charger.ts'
import type { ChargerMemory, HeldSample, NewSample } from './spool/spool.ts'
import { readableLog } from './testing/log.ts'

const start = Date.UTC(2026, 10, 23)

/** A spool that keeps everything in memory and fails when told to. */
class MemorySpool {
  readonly samples: (NewSample | HeldSample)[] = []
  readonly memories = new Map<string, ChargerMemory>()
  readonly shifts: [offsetWh: number, afterSeq: number][] = []
  fails = false
  append(sample: NewSample | HeldSample, memory: ChargerMemory): number {
    this.#write(sample.charger, memory)
    return this.samples.push(sample)
  }
  memoryOf = (charger: string) => this.memories.get(charger)
  get newestSeq(): number {
    return this.samples.length
  }
  addToTotals(charger: string, offsetWh: number, afterSeq: number, memory: ChargerMemory): number {
    this.#write(charger, memory)
    return this.shifts.push([offsetWh, afterSeq])
  }
  pullBack(charger: string, nowMs: number, memoryAt: (newestMs: number) => ChargerMemory): number {
    this.#write(charger, memoryAt(nowMs))
    return 1
  }
  #write(charger: string, memory: ChargerMemory): void {
    if (this.fails) throw new Error('disk full')
    this.memories.set(charger, structuredClone(memory))
  }
}

/** `now.ms` is both clocks; `now.known` whether the time is known, and confirmed. */
function watching(spool = new MemorySpool(), options: Partial<ChargerRecorderOptions> = {}) {
  const { log, lines, events } = readableLog()
  const now = { ms: start, known: true }
  const at = (ms: number) => (now.known ? ms : undefined)
  const time = {
    at,
    now: () => at(now.ms),
    get isConfirmed() {
      return now.known
    }
  }
  let woken = 0
  const watch = new ChargerRecorder({
    charger: 'wb',
    spool,
    heartbeatMs: 900_000,
    clock: { monotonicMs: () => now.ms },
    time,
    bootId: 'boot',
    log,
    onAppended: () => woken++,
    ...options
  })
  const take = (values: Partial<ChargerValues>, more: Partial<Sample> = {}) =>
    watch.take({ arrivedMonotonicMs: now.ms, values, implausible: [], ...more })
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

test('while polls fail there is no heartbeat; the first poll that answers tells everything again', () => {
  const { spool, take, watch, now } = watching()
  const values = { OperationState: 'idle', PowerOutput: 0, ChargerStatus: 'Idle' } as const
  take(values)
  for (let miss = 1; miss <= 5; miss++) {
    now.ms += 900_000
    watch.miss(late)
  }
  assert.deepEqual(
    spool.samples.slice(1).map(sample => sample.values),
    [{ OperationState: 'unknown' }],
    'silence tells that nobody knows'
  )
  now.ms += 900_000
  take(values)
  assert.deepEqual(spool.samples.at(-1), { charger: 'wb', timeMs: start + 6 * 900_000, values })
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

test('until the time is known samples are held, with a mark of the clock that never steps', () => {
  const { spool, take, now, watch } = watching()
  now.known = false
  take({ OperationState: 'idle' }, session(5_000))
  now.ms += 10_000.5
  take({ OperationState: 'idle' }, session(5_000))
  take({ OperationState: 'charging' }, session(5_010))
  assert.deepEqual(spool.samples, [
    {
      charger: 'wb',
      held: { bootId: 'boot', monotonicMs: start },
      values: { OperationState: 'idle', TotalEnergyConsumption: 5_000 }
    },
    {
      charger: 'wb',
      held: { bootId: 'boot', monotonicMs: start + 10_000.5 },
      values: { OperationState: 'charging', TotalEnergyConsumption: 5_010 }
    }
  ])
  assert.deepEqual(watch.now().known, {}, 'nothing of it can be published')
})

test('a heartbeat of held samples goes by the clock that never steps', () => {
  const { spool, take, now } = watching()
  take({ OperationState: 'idle' })
  now.known = false
  now.ms += 5_000_000
  take({ OperationState: 'idle' })
  assert.equal(spool.samples.length, 1, 'a value that is known by the other clock is not repeated')
  take({ OperationState: 'charging' })
  now.ms += 899_999
  take({ OperationState: 'charging' })
  assert.equal(spool.samples.length, 2)
  now.ms += 1
  take({ OperationState: 'charging' })
  assert.equal(spool.samples.length, 3)
})

test('samples of a time that has not come are pulled back, and time goes on from now', () => {
  const { spool, take, now, watch, events } = watching()
  now.ms = start + 86_400_000
  take({ OperationState: 'idle', PowerOutput: 0 })
  now.ms = start
  take({ OperationState: 'charging' })
  assert.deepEqual(spool.samples.at(-1), { charger: 'wb', timeMs: start + 1, values: { OperationState: 'charging' } })
  assert.equal(watch.now().known.PowerOutput?.timeMs, start)
  assert.ok(events().includes('samples_pulled_back'))
  now.ms = start - 30_000
  take({ OperationState: 'idle' })
  assert.equal(events().filter(event => event === 'samples_pulled_back').length, 1, 'half a minute is no matter')
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

describe('the serial number', () => {
  const device = (serial: string) => ({ device: { serial } })
  const isWrongSerial = (error: unknown) =>
    error instanceof PollError && error.code === 'wrong_serial' && /--accept-serial/.test(error.message)

  test('is pinned: another charger at the address is as good as none', () => {
    const { take, now, spool, watch, events } = watching()
    take({ OperationState: 'idle' }, device('1'))
    const again = watching(spool)
    for (let poll = 1; poll <= 4; poll++) {
      now.ms += 10_000
      assert.throws(() => again.take({ OperationState: 'charging' }, device('2')), isWrongSerial)
      again.watch.miss(new PollError('wrong_serial', 'another'))
    }
    assert.deepEqual(
      spool.samples.map(({ values }) => values),
      [{ OperationState: 'idle' }, { OperationState: 'unknown' }]
    )
    assert.equal(again.watch.reachability?.state, 'wrong_serial')
    again.take({ OperationState: 'idle' }, device('1'))
    assert.equal(again.watch.reachability?.state, 'ok')
    assert.equal(watch.memory.serial, '1')
    assert.ok(events().includes('charger_identified'))
  })

  test('of a charger that tells none is not asked for', () => {
    const { take, watch } = watching()
    take({ OperationState: 'idle' }, device('1'))
    take({ OperationState: 'charging' })
    assert.equal(watch.now().known.OperationState?.value, 'charging')
  })

  test('is accepted once, and the counter of the new charger is followed from where it is', () => {
    const spool = new MemorySpool()
    watching(spool).take({ OperationState: 'idle' }, { ...session(5_000), ...device('1') })
    const { take, watch, lines } = watching(spool, { acceptsSerial: true })
    take({ OperationState: 'charging' }, { ...session(90), ...device('2') })
    take({ OperationState: 'charging' }, { ...session(130), ...device('2') })
    assert.equal(watch.now().known.TotalEnergyConsumption?.value, 5_040)
    assert.equal(watch.memory.serial, '2')
    assert.deepEqual(lines.find(({ event }) => event === 'charger_serial_accepted')?.before, '1')
    assert.throws(() => take({ OperationState: 'idle' }, device('3')), isWrongSerial)
  })

  test('is known from the second file, too', () => {
    const saved = { energy: { totalWh: 1, last: { energyWh: 1 }, doubts: 0 }, serial: '1' }
    assert.throws(() => watching(undefined, { saved }).take({ OperationState: 'idle' }, device('2')), isWrongSerial)
  })
})

describe('a charger with a meter', () => {
  const totals = (spool: MemorySpool) => spool.samples.map(({ values }) => values.TotalEnergyConsumption)

  test('a total that falls once is dropped and counted', () => {
    const { spool, take, now, watch } = watching()
    for (const meterWh of [5_000, 4_000, 5_010]) {
      take({ TotalEnergyConsumption: meterWh, PowerOutput: meterWh })
      now.ms += 10_000
    }
    assert.deepEqual(totals(spool), [5_000, undefined, 5_010])
    assert.equal(watch.implausible, 1)
    assert.equal(watch.epochs, 0)
  })

  test('three in a row open a new epoch with an offset, also over a restart', () => {
    const { spool, take, now, watch, lines } = watching()
    for (const meterWh of [5_000, 0, 1, 2, 12]) {
      take({ TotalEnergyConsumption: meterWh, PowerOutput: meterWh })
      now.ms += 10_000
    }
    assert.deepEqual(totals(spool), [5_000, undefined, undefined, undefined, 5_010])
    assert.equal(watch.epochs, 1)
    assert.equal(lines.find(({ step }) => step === 'new_epoch')?.epochs, 1)
    const again = watching(spool)
    again.now.ms = now.ms
    again.take({ TotalEnergyConsumption: 30 })
    assert.equal(totals(spool).at(-1), 5_028)
    assert.equal(again.watch.epochs, 1)
  })
})

test('implausible values are counted, and told once', () => {
  const { take, watch, events } = watching()
  for (let poll = 0; poll < 3; poll++) take({ OperationState: 'idle' }, { implausible: ['ActPwr -1', 'Uid'] })
  assert.equal(watch.implausible, 6)
  assert.equal(events().filter(event => event === 'implausible_value').length, 1)
})

describe('a charger that this disk does not know', () => {
  const totalOf = (watch: ChargerRecorder) => watch.now().known.TotalEnergyConsumption?.value
  const server = { totalWh: 100_000, totalTimeMs: start - 60_000, sessionWh: 4_000, card: 'A' }

  test("goes on from the server's total, within the session that both know", () => {
    const { watch, take, spool, now } = watching()
    assert.equal(watch.wantsSeed, true)
    take({ OperationState: 'charging' }, session(4_500))
    now.ms += 10_000
    take({ OperationState: 'charging' }, session(4_530))
    watch.seed(server)
    assert.deepEqual(spool.shifts, [[96_000, 0]])
    assert.deepEqual([watch.wantsSeed, totalOf(watch)], [false, 100_530])
    now.ms += 10_000
    take({ OperationState: 'charging' }, session(4_560))
    assert.equal(spool.samples.at(-1)?.values.TotalEnergyConsumption, 100_560)
    assert.equal(watching(spool).watch.wantsSeed, false, 'also after a restart')
  })

  test('or of another session', () => {
    const { watch, take } = watching()
    take({ OperationState: 'charging' }, session(300))
    watch.seed(server)
    assert.equal(totalOf(watch), 100_300)
  })

  test('also where the server told before the first reading', () => {
    const { watch, take, spool } = watching()
    watch.seed(server)
    assert.equal(watch.wantsSeed, false)
    take({ OperationState: 'charging' }, session(4_500))
    assert.deepEqual([totalOf(watch), spool.shifts], [100_500, []])
    assert.equal(watch.wantsSeed, false)
  })

  test('begins with its session where the server knows nothing either', () => {
    const { watch, take } = watching()
    take({ OperationState: 'charging' }, session(300))
    watch.seed({})
    assert.deepEqual([totalOf(watch), watch.wantsSeed], [300, false])
  })

  test("counts nothing twice where the server does not know the session: the total is the server's", () => {
    const { watch, take } = watching()
    take({ OperationState: 'charging' }, session(300))
    watch.seed({ totalWh: 100_000 })
    assert.equal(totalOf(watch), 100_000)
  })

  test('with a meter: the total does not fall, and is the meter where that is more', () => {
    for (const [meterWh, totalWh, after] of [
      [500, 100_000, 100_000],
      [120_000, 100_000, 120_000]
    ] as const) {
      const { watch, take } = watching()
      take({ TotalEnergyConsumption: meterWh })
      watch.seed({ totalWh })
      assert.equal(totalOf(watch), after)
      take({ TotalEnergyConsumption: meterWh + 7 })
      assert.equal(totalOf(watch), after + 7)
    }
  })

  test('goes on from the second file, and from the server where that knows more', () => {
    const saved = { energy: { totalWh: 90_000, last: { energyWh: 4_000 }, doubts: 0 } }
    for (const [totalWh, after] of [
      [100_000, 100_500],
      [80_000, 90_500]
    ] as const) {
      const { watch, take } = watching(undefined, { saved })
      take({ OperationState: 'charging' }, session(4_500))
      assert.equal(totalOf(watch), 90_500)
      watch.seed({ ...server, totalWh })
      assert.equal(totalOf(watch), after)
    }
  })

  test('is what the user says, whatever the server knew', () => {
    const { watch, take } = watching(undefined, { energyStartWh: 250_000 })
    assert.equal(watch.wantsSeed, false)
    take({ OperationState: 'charging' }, session(4_500))
    watch.seed(server)
    take({ OperationState: 'charging' }, session(4_530))
    assert.equal(totalOf(watch), 250_030)
  })

  test('where the disk knows it the user is told that nothing was changed', () => {
    const spool = new MemorySpool()
    watching(spool).take({ OperationState: 'idle' }, session(500))
    const { watch, take, events } = watching(spool, { energyStartWh: 250_000 })
    take({ OperationState: 'idle' }, session(510))
    assert.equal(totalOf(watch), 510)
    assert.deepEqual(events(), ['energy_start_ignored'])
  })

  test('a disk that fails while the answer is noted: nothing has moved, and it wants to be told again', () => {
    const { watch, take, spool } = watching()
    take({ OperationState: 'charging' }, session(4_500))
    spool.fails = true
    assert.throws(() => watch.seed(server), /disk full/)
    assert.deepEqual([watch.wantsSeed, totalOf(watch)], [true, 4_500])
  })
})

describe('after a gap', () => {
  const hourMs = 3_600_000
  const record = (from: number, to: number, energyWh: number) => ({
    startMs: start + from * hourMs,
    endMs: start + to * hourMs,
    energyWh
  })
  const lateBy = (ms: number, spool = new MemorySpool()) => {
    const first = watching(spool)
    first.take({ OperationState: 'idle' }, session(5_000))
    first.now.ms += ms
    return first
  }
  const totalAfter = (w: ReturnType<typeof watching>) => {
    w.take({ OperationState: 'idle' }, session(300))
    return w.watch.now().known.TotalEnergyConsumption?.value
  }

  test('of ten minutes or less there is none', () => {
    const w = lateBy(600_000)
    w.take({ OperationState: 'idle' }, session(300))
    assert.equal(w.watch.openGap, undefined)
  })

  test('the records tell what went by unseen; it is published with the next sample', () => {
    const w = lateBy(6 * hourMs)
    w.take({ OperationState: 'idle' }, session(300))
    assert.deepEqual(w.watch.openGap, { sinceMs: start, nowMs: start + 6 * hourMs })
    w.watch.fill([record(-2, -1, 5_000), record(1, 2, 8_000), record(4, 5, 300)])
    assert.equal(w.watch.openGap, undefined, 'once')
    assert.equal(totalAfter(w), 13_300)
    assert.equal(w.lines.find(({ event }) => event === 'energy_gap')?.estimated, false)
  })

  test('without an answer it is the least that it can have been, and said to be estimated', () => {
    const w = lateBy(6 * hourMs)
    w.take({ OperationState: 'idle' }, session(300))
    w.watch.fill(undefined)
    assert.equal(totalAfter(w), 5_300)
    assert.equal(w.lines.find(({ event }) => event === 'energy_gap')?.estimated, true)
  })

  test('records that no charger can have delivered are not believed', () => {
    const w = lateBy(hourMs)
    w.take({ OperationState: 'idle' }, session(300))
    w.watch.fill([record(0.1, 0.9, 90_000)])
    assert.equal(totalAfter(w), 5_300)
  })

  test('over a restart, where the time is known only later, nothing is counted twice', () => {
    const spool = lateBy(0).spool
    const w = watching(spool)
    w.now.known = false
    w.now.ms = start + 6 * hourMs
    w.take({ OperationState: 'charging' }, session(300))
    w.now.ms += 60_000
    w.take({ OperationState: 'charging' }, session(420))
    assert.deepEqual([w.watch.openGap], [undefined], 'not yet')
    w.now.known = true
    const openGap: { sinceMs: number } | undefined = w.watch.openGap
    assert.equal(openGap?.sinceMs, start)
    w.watch.fill([record(-2, -1, 5_000), record(1, 2, 8_000)])
    w.take({ OperationState: 'charging' }, session(430))
    assert.equal(w.watch.now().known.TotalEnergyConsumption?.value, 5_000 + 8_000 + 430)
  })

  test('of a Pi that was replaced it began with what the server had last', () => {
    const w = watching()
    w.take({ OperationState: 'charging' }, session(300))
    w.watch.seed({ totalWh: 100_000, totalTimeMs: start - 6 * hourMs, sessionWh: 5_000 })
    assert.equal(w.watch.openGap?.sinceMs, start - 6 * hourMs)
    w.watch.fill([record(-8, -7, 5_000), record(-4, -3, 8_000)])
    w.take({ OperationState: 'charging' }, session(310))
    assert.equal(w.watch.now().known.TotalEnergyConsumption?.value, 108_310)
  })

  test('of a charger with a meter there is nothing to ask', () => {
    const w = watching()
    w.take({ TotalEnergyConsumption: 5_000 })
    w.now.ms += hourMs
    w.take({ TotalEnergyConsumption: 9_000 })
    assert.equal(w.watch.openGap, undefined)
  })
})
