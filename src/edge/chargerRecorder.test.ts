import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { ChargerValues } from '../model/wire/chargerState.ts'
import { ChargerRecorder, type ChargerRecorderOptions } from './chargerRecorder.ts'
import { PollError, type Sample } from './chargers/charger.ts'
import type { ChargerMemory, NewSample, UndatedSample } from './spool/spool.ts'
import { readableLog } from './testing/log.ts'

const start = Date.UTC(2026, 10, 23)

/** A Spool that keeps everything in memory. It fails while `fails` is set. */
class MemorySpool {
  readonly samples: (NewSample | UndatedSample)[] = []
  readonly memories = new Map<string, ChargerMemory>()
  readonly shifts: [offsetWh: number, afterSeq: number][] = []
  fails = false
  append(sample: NewSample | UndatedSample, memory: ChargerMemory): number {
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

/**
 * A recorder with the test's clock. `now.ms` is the time of both clocks. `now.known` says whether the time is known and
 * confirmed.
 */
function recording(spool = new MemorySpool(), options: Partial<ChargerRecorderOptions> = {}) {
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
  const recorder = new ChargerRecorder({
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
  const record = (values: Partial<ChargerValues>, more: Partial<Sample> = {}) =>
    recorder.record({ arrivedMonotonicMs: now.ms, values, implausible: [], ...more })
  return { recorder, spool, record, now, lines, events, woken: () => woken }
}

const session = (energyWh: number, durationSeconds = 60) => ({ session: { energyWh, durationSeconds } })
const late = new PollError('timeout', 'late')

test('the values of one poll share one sampling time, with the lifetime energy among them', () => {
  const { spool, record, woken } = recording()
  record({ OperationState: 'charging', SessionEnergy: 500 }, session(500))
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
  const { spool, record, now, woken } = recording()
  record({ OperationState: 'idle' })
  now.ms += 899_999
  record({ OperationState: 'idle' })
  assert.equal(woken(), 1)
  now.ms += 1
  record({ OperationState: 'idle' })
  assert.deepEqual(spool.samples.at(-1), { charger: 'wb', timeMs: start + 900_000, values: { OperationState: 'idle' } })
})

test('while polls fail there is no heartbeat; the first poll that answers tells everything again', () => {
  const { spool, record, recorder, now } = recording()
  const values = { OperationState: 'idle', PowerOutput: 0, ChargerStatus: 'Idle' } as const
  record(values)
  for (let miss = 1; miss <= 5; miss++) {
    now.ms += 900_000
    recorder.miss(late)
  }
  assert.deepEqual(
    spool.samples.slice(1).map(sample => sample.values),
    [{ OperationState: 'unknown' }],
    'silence tells that nobody knows'
  )
  now.ms += 900_000
  record(values)
  assert.deepEqual(spool.samples.at(-1), { charger: 'wb', timeMs: start + 6 * 900_000, values })
})

test('when the disk fails nothing moves, and the next poll tells the same news', () => {
  const { spool, record, now, recorder } = recording()
  record({ OperationState: 'idle' }, session(100))
  spool.fails = true
  now.ms += 10_000
  assert.throws(() => record({ OperationState: 'charging' }, session(130)), /disk full/)
  assert.equal(recorder.now().known.OperationState?.value, 'idle')
  spool.fails = false
  now.ms += 10_000
  record({ OperationState: 'charging' }, session(160))
  assert.deepEqual(spool.samples.at(-1)?.values, { OperationState: 'charging', TotalEnergyConsumption: 160 })
})

test('a restart goes on with state, energy and time', () => {
  const { spool, record } = recording()
  record({ OperationState: 'idle', SessionEnergy: 100 }, session(100))
  const again = recording(spool)
  again.now.ms = start - 60_000
  again.record({ OperationState: 'idle', SessionEnergy: 100 }, session(100))
  assert.equal(spool.samples.length, 1, 'nothing new')
  again.record({ OperationState: 'idle', SessionEnergy: 30 }, session(30, 5))
  assert.deepEqual(spool.samples.at(-1), {
    charger: 'wb',
    timeMs: start + 1,
    values: { TotalEnergyConsumption: 130, SessionEnergy: 30 }
  })
})

test('a failed poll publishes nothing; the third in a row says unknown, once; then the truth again', () => {
  const { spool, record, recorder, now, events, lines } = recording()
  record({ OperationState: 'charging', PowerOutput: 11_000 })
  for (let miss = 1; miss <= 5; miss++) {
    now.ms += 10_000
    recorder.miss(late)
    assert.equal(spool.samples.length, miss < 3 ? 1 : 2)
  }
  assert.deepEqual(spool.samples[1], { charger: 'wb', timeMs: start + 30_000, values: { OperationState: 'unknown' } })
  now.ms += 10_000
  record({ OperationState: 'charging', PowerOutput: 11_000 })
  assert.deepEqual(spool.samples[2]?.values, { OperationState: 'charging' })
  assert.deepEqual(events(), ['charger_state', 'poll_failed', 'charger_state', 'poll_recovered', 'charger_state'])
  assert.equal(lines[3]?.misses, 5)
})

test('a charger that never answered has no state to be unknown', () => {
  const { spool, recorder } = recording()
  for (let miss = 0; miss < 5; miss++) recorder.miss(late)
  assert.deepEqual(spool.samples, [])
})

test('every other cause of failure is told once', () => {
  const { recorder, lines } = recording()
  for (const code of ['timeout', 'timeout', 'forbidden', 'forbidden', 'timeout'] as const) {
    recorder.miss(new PollError(code, 'x'))
  }
  assert.deepEqual(
    lines.map(({ fault }) => fault),
    ['timeout', 'forbidden', 'timeout']
  )
})

test('until the time is known samples are undated, with a mark of the clock that never steps', () => {
  const { spool, record, now, recorder } = recording()
  now.known = false
  record({ OperationState: 'idle' }, session(5_000))
  now.ms += 10_000.5
  record({ OperationState: 'idle' }, session(5_000))
  record({ OperationState: 'charging' }, session(5_010))
  assert.deepEqual(spool.samples, [
    {
      charger: 'wb',
      undated: { bootId: 'boot', monotonicMs: start },
      values: { OperationState: 'idle', TotalEnergyConsumption: 5_000 }
    },
    {
      charger: 'wb',
      undated: { bootId: 'boot', monotonicMs: start + 10_000.5 },
      values: { OperationState: 'charging', TotalEnergyConsumption: 5_010 }
    }
  ])
  assert.deepEqual(recorder.now().known, {}, 'nothing of it can be published')
})

test('a heartbeat of undated samples goes by the clock that never steps', () => {
  const { spool, record, now } = recording()
  record({ OperationState: 'idle' })
  now.known = false
  now.ms += 5_000_000
  record({ OperationState: 'idle' })
  assert.equal(spool.samples.length, 1, 'a value that is known by the other clock is not repeated')
  record({ OperationState: 'charging' })
  now.ms += 899_999
  record({ OperationState: 'charging' })
  assert.equal(spool.samples.length, 2)
  now.ms += 1
  record({ OperationState: 'charging' })
  assert.equal(spool.samples.length, 3)
})

test('samples of a time that has not come are pulled back, and time goes on from now', () => {
  const { spool, record, now, recorder, events } = recording()
  now.ms = start + 86_400_000
  record({ OperationState: 'idle', PowerOutput: 0 })
  now.ms = start
  record({ OperationState: 'charging' })
  assert.deepEqual(spool.samples.at(-1), { charger: 'wb', timeMs: start + 1, values: { OperationState: 'charging' } })
  assert.equal(recorder.now().known.PowerOutput?.timeMs, start)
  assert.ok(events().includes('samples_pulled_back'))
  now.ms = start - 30_000
  record({ OperationState: 'idle' })
  assert.equal(events().filter(event => event === 'samples_pulled_back').length, 1, 'half a minute is no matter')
})

test('a poll without the session counter publishes no lifetime energy and loses none', () => {
  const { spool, record, now } = recording()
  record({ OperationState: 'charging' }, session(100))
  now.ms += 10_000
  record({ OperationState: 'idle' })
  now.ms += 10_000
  record({ OperationState: 'idle' }, session(150))
  assert.deepEqual(
    spool.samples.map(({ values }) => values.TotalEnergyConsumption),
    [100, undefined, 150]
  )
})

test('an impossible counter adds nothing, and the time to judge the next one by goes on', () => {
  const { spool, record, now } = recording()
  record({ OperationState: 'charging' }, session(100))
  now.ms += 10_000
  record({ OperationState: 'charging' }, session(90_000))
  now.ms += 10_000
  record({ OperationState: 'charging' }, session(160))
  assert.equal(spool.samples.at(-1)?.values.TotalEnergyConsumption, 160)
})

describe('the serial number', () => {
  const device = (serial: string) => ({ device: { serial } })
  const isWrongSerial = (error: unknown) =>
    error instanceof PollError && error.code === 'wrong_serial' && /--accept-serial/.test(error.message)

  test('is pinned: another charger at the address is as good as none', () => {
    const { record, now, spool, recorder, events } = recording()
    record({ OperationState: 'idle' }, device('1'))
    const again = recording(spool)
    for (let poll = 1; poll <= 4; poll++) {
      now.ms += 10_000
      assert.throws(() => again.record({ OperationState: 'charging' }, device('2')), isWrongSerial)
      again.recorder.miss(new PollError('wrong_serial', 'another'))
    }
    assert.deepEqual(
      spool.samples.map(({ values }) => values),
      [{ OperationState: 'idle' }, { OperationState: 'unknown' }]
    )
    assert.equal(again.recorder.reachability?.state, 'wrong_serial')
    again.record({ OperationState: 'idle' }, device('1'))
    assert.equal(again.recorder.reachability?.state, 'ok')
    assert.equal(recorder.memory.serial, '1')
    assert.ok(events().includes('charger_identified'))
  })

  test('of a charger that tells none is not asked for', () => {
    const { record, recorder } = recording()
    record({ OperationState: 'idle' }, device('1'))
    record({ OperationState: 'charging' })
    assert.equal(recorder.now().known.OperationState?.value, 'charging')
  })

  test('is accepted once, and the counter of the new charger is followed from where it is', () => {
    const spool = new MemorySpool()
    recording(spool).record({ OperationState: 'idle' }, { ...session(5_000), ...device('1') })
    const { record, recorder, lines } = recording(spool, { acceptsSerial: true })
    record({ OperationState: 'charging' }, { ...session(90), ...device('2') })
    record({ OperationState: 'charging' }, { ...session(130), ...device('2') })
    assert.equal(recorder.now().known.TotalEnergyConsumption?.value, 5_040)
    assert.equal(recorder.memory.serial, '2')
    assert.deepEqual(lines.find(({ event }) => event === 'charger_serial_accepted')?.before, '1')
    assert.throws(() => record({ OperationState: 'idle' }, device('3')), isWrongSerial)
  })

  test('is known from the second file, too', () => {
    const saved = { energy: { totalWh: 1, last: { energyWh: 1 }, doubts: 0 }, serial: '1' }
    assert.throws(() => recording(undefined, { saved }).record({ OperationState: 'idle' }, device('2')), isWrongSerial)
  })
})

describe('a charger with a meter', () => {
  const totals = (spool: MemorySpool) => spool.samples.map(({ values }) => values.TotalEnergyConsumption)

  test('a total that falls once is dropped and counted', () => {
    const { spool, record, now, recorder } = recording()
    for (const meterWh of [5_000, 4_000, 5_010]) {
      record({ TotalEnergyConsumption: meterWh, PowerOutput: meterWh })
      now.ms += 10_000
    }
    assert.deepEqual(totals(spool), [5_000, undefined, 5_010])
    assert.equal(recorder.implausible, 1)
    assert.equal(recorder.epochs, 0)
  })

  test('three in a row open a new epoch with an offset, also over a restart', () => {
    const { spool, record, now, recorder, lines } = recording()
    for (const meterWh of [5_000, 0, 1, 2, 12]) {
      record({ TotalEnergyConsumption: meterWh, PowerOutput: meterWh })
      now.ms += 10_000
    }
    assert.deepEqual(totals(spool), [5_000, undefined, undefined, undefined, 5_010])
    assert.equal(recorder.epochs, 1)
    assert.equal(lines.find(({ step }) => step === 'new_epoch')?.epochs, 1)
    const again = recording(spool)
    again.now.ms = now.ms
    again.record({ TotalEnergyConsumption: 30 })
    assert.equal(totals(spool).at(-1), 5_028)
    assert.equal(again.recorder.epochs, 1)
  })
})

test('implausible values are counted, and told once', () => {
  const { record, recorder, events } = recording()
  for (let poll = 0; poll < 3; poll++) record({ OperationState: 'idle' }, { implausible: ['ActPwr -1', 'Uid'] })
  assert.equal(recorder.implausible, 6)
  assert.equal(events().filter(event => event === 'implausible_value').length, 1)
})

describe('a charger that this disk does not know', () => {
  const totalOf = (recorder: ChargerRecorder) => recorder.now().known.TotalEnergyConsumption?.value
  const server = { totalWh: 100_000, totalTimeMs: start - 60_000, sessionWh: 4_000, card: 'A' }

  test("goes on from the server's total, within the session that both know", () => {
    const { recorder, record, spool, now } = recording()
    assert.equal(recorder.wantsSeed, true)
    record({ OperationState: 'charging' }, session(4_500))
    now.ms += 10_000
    record({ OperationState: 'charging' }, session(4_530))
    recorder.seed(server)
    assert.deepEqual(spool.shifts, [[96_000, 0]])
    assert.deepEqual([recorder.wantsSeed, totalOf(recorder)], [false, 100_530])
    now.ms += 10_000
    record({ OperationState: 'charging' }, session(4_560))
    assert.equal(spool.samples.at(-1)?.values.TotalEnergyConsumption, 100_560)
    assert.equal(recording(spool).recorder.wantsSeed, false, 'also after a restart')
  })

  test('or of another session', () => {
    const { recorder, record } = recording()
    record({ OperationState: 'charging' }, session(300))
    recorder.seed(server)
    assert.equal(totalOf(recorder), 100_300)
  })

  test('also where the server told before the first reading', () => {
    const { recorder, record, spool } = recording()
    recorder.seed(server)
    assert.equal(recorder.wantsSeed, false)
    record({ OperationState: 'charging' }, session(4_500))
    assert.deepEqual([totalOf(recorder), spool.shifts], [100_500, []])
    assert.equal(recorder.wantsSeed, false)
  })

  test('begins with its session where the server knows nothing either', () => {
    const { recorder, record } = recording()
    record({ OperationState: 'charging' }, session(300))
    recorder.seed({})
    assert.deepEqual([totalOf(recorder), recorder.wantsSeed], [300, false])
  })

  test("counts nothing twice where the server does not know the session: the total is the server's", () => {
    const { recorder, record } = recording()
    record({ OperationState: 'charging' }, session(300))
    recorder.seed({ totalWh: 100_000 })
    assert.equal(totalOf(recorder), 100_000)
  })

  test('with a meter: the total does not fall, and is the meter where that is more', () => {
    for (const [meterWh, totalWh, after] of [
      [500, 100_000, 100_000],
      [120_000, 100_000, 120_000]
    ] as const) {
      const { recorder, record } = recording()
      record({ TotalEnergyConsumption: meterWh })
      recorder.seed({ totalWh })
      assert.equal(totalOf(recorder), after)
      record({ TotalEnergyConsumption: meterWh + 7 })
      assert.equal(totalOf(recorder), after + 7)
    }
  })

  test('goes on from the second file, and from the server where that knows more', () => {
    const saved = { energy: { totalWh: 90_000, last: { energyWh: 4_000 }, doubts: 0 } }
    for (const [totalWh, after] of [
      [100_000, 100_500],
      [80_000, 90_500]
    ] as const) {
      const { recorder, record } = recording(undefined, { saved })
      record({ OperationState: 'charging' }, session(4_500))
      assert.equal(totalOf(recorder), 90_500)
      recorder.seed({ ...server, totalWh })
      assert.equal(totalOf(recorder), after)
    }
  })

  test('is what the user says, whatever the server knew', () => {
    const { recorder, record } = recording(undefined, { energyStartWh: 250_000 })
    assert.equal(recorder.wantsSeed, false)
    record({ OperationState: 'charging' }, session(4_500))
    recorder.seed(server)
    record({ OperationState: 'charging' }, session(4_530))
    assert.equal(totalOf(recorder), 250_030)
  })

  test('where the disk knows it the user is told that nothing was changed', () => {
    const spool = new MemorySpool()
    recording(spool).record({ OperationState: 'idle' }, session(500))
    const { recorder, record, events } = recording(spool, { energyStartWh: 250_000 })
    record({ OperationState: 'idle' }, session(510))
    assert.equal(totalOf(recorder), 510)
    assert.deepEqual(events(), ['energy_start_ignored'])
  })

  test('a disk that fails while the answer is noted: nothing has moved, and it wants to be told again', () => {
    const { recorder, record, spool } = recording()
    record({ OperationState: 'charging' }, session(4_500))
    spool.fails = true
    assert.throws(() => recorder.seed(server), /disk full/)
    assert.deepEqual([recorder.wantsSeed, totalOf(recorder)], [true, 4_500])
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
    const first = recording(spool)
    first.record({ OperationState: 'idle' }, session(5_000))
    first.now.ms += ms
    return first
  }
  const totalAfter = (w: ReturnType<typeof recording>) => {
    w.record({ OperationState: 'idle' }, session(300))
    return w.recorder.now().known.TotalEnergyConsumption?.value
  }

  test('of ten minutes or less there is none', () => {
    const w = lateBy(600_000)
    w.record({ OperationState: 'idle' }, session(300))
    assert.equal(w.recorder.openGap, undefined)
  })

  test('the records tell what went by unseen; it is published with the next sample', () => {
    const w = lateBy(6 * hourMs)
    w.record({ OperationState: 'idle' }, session(300))
    assert.deepEqual(w.recorder.openGap, { sinceMs: start, nowMs: start + 6 * hourMs })
    w.recorder.fill([record(-2, -1, 5_000), record(1, 2, 8_000), record(4, 5, 300)])
    assert.equal(w.recorder.openGap, undefined, 'once')
    assert.equal(totalAfter(w), 13_300)
    assert.equal(w.lines.find(({ event }) => event === 'energy_gap')?.estimated, false)
  })

  test('without an answer it is the least that it can have been, and said to be estimated', () => {
    const w = lateBy(6 * hourMs)
    w.record({ OperationState: 'idle' }, session(300))
    w.recorder.fill(undefined)
    assert.equal(totalAfter(w), 5_300)
    assert.equal(w.lines.find(({ event }) => event === 'energy_gap')?.estimated, true)
  })

  test('records that no charger can have delivered are not believed', () => {
    const w = lateBy(hourMs)
    w.record({ OperationState: 'idle' }, session(300))
    w.recorder.fill([record(0.1, 0.9, 90_000)])
    assert.equal(totalAfter(w), 5_300)
  })

  test('over a restart, where the time is known only later, nothing is counted twice', () => {
    const spool = lateBy(0).spool
    const w = recording(spool)
    w.now.known = false
    w.now.ms = start + 6 * hourMs
    w.record({ OperationState: 'charging' }, session(300))
    w.now.ms += 60_000
    w.record({ OperationState: 'charging' }, session(420))
    assert.deepEqual([w.recorder.openGap], [undefined], 'not yet')
    w.now.known = true
    const openGap: { sinceMs: number } | undefined = w.recorder.openGap
    assert.equal(openGap?.sinceMs, start)
    w.recorder.fill([record(-2, -1, 5_000), record(1, 2, 8_000)])
    w.record({ OperationState: 'charging' }, session(430))
    assert.equal(w.recorder.now().known.TotalEnergyConsumption?.value, 5_000 + 8_000 + 430)
  })

  test('of a Pi that was replaced it began with what the server had last', () => {
    const w = recording()
    w.record({ OperationState: 'charging' }, session(300))
    w.recorder.seed({ totalWh: 100_000, totalTimeMs: start - 6 * hourMs, sessionWh: 5_000 })
    assert.equal(w.recorder.openGap?.sinceMs, start - 6 * hourMs)
    w.recorder.fill([record(-8, -7, 5_000), record(-4, -3, 8_000)])
    w.record({ OperationState: 'charging' }, session(310))
    assert.equal(w.recorder.now().known.TotalEnergyConsumption?.value, 108_310)
  })

  test('of a charger with a meter there is nothing to ask', () => {
    const w = recording()
    w.record({ TotalEnergyConsumption: 5_000 })
    w.now.ms += hourMs
    w.record({ TotalEnergyConsumption: 9_000 })
    assert.equal(w.recorder.openGap, undefined)
  })
})
