import assert from 'node:assert/strict'
import {
  closeSync,
  copyFileSync,
  existsSync,
  openSync,
  readdirSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync
} from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, type TestContext, test } from 'node:test'
import { ConfigError } from '../../model/errors.ts'
import { spoolBytesMin } from '../limits.ts'
import { fillSpool } from '../testing/fillSpool.ts'
import { memoryFolder } from '../testing/folder.ts'
import { type ChargerMemory, openSpool, type Spool, type SpoolOptions } from './spool.ts'
import { SpoolFile } from './spoolFile.ts'

const memoryAt = (timeMs: number): ChargerMemory => ({
  timeMs,
  known: { PowerOutput: { value: timeMs, timeMs } },
  energy: { totalWh: timeMs, last: { energyWh: 1 }, doubts: 0 }
})

function open(t: TestContext, path: string, options: Partial<SpoolOptions> = {}): Spool {
  const spool = openSpool({ path, maxBytes: 16 * spoolBytesMin, ...options })
  t.after(() => spool.close())
  return spool
}

const append = (spool: Spool, timeMs: number, charger = 'wb') =>
  spool.append({ charger, timeMs, values: { PowerOutput: timeMs } }, memoryAt(timeMs))

const timesIn = (spool: Spool) => spool.page(0, spool.newestSeq, 1_000_000).map(({ timeMs }) => timeMs)

test('what was appended is there after a restart, in order, with the state and the energy', t => {
  const path = join(memoryFolder(t), 'spool.sqlite')
  const before = open(t, path)
  const seqs = [1, 2, 3].map(timeMs => append(before, timeMs))
  before.close()
  const after = open(t, path)
  assert.deepEqual(after.page(0, after.newestSeq, 10), [
    { seq: seqs[0], charger: 'wb', timeMs: 1, values: { PowerOutput: 1 }, sentBefore: false },
    { seq: seqs[1], charger: 'wb', timeMs: 2, values: { PowerOutput: 2 }, sentBefore: false },
    { seq: seqs[2], charger: 'wb', timeMs: 3, values: { PowerOutput: 3 }, sentBefore: false }
  ])
  assert.deepEqual(after.memoryOf('wb'), memoryAt(3))
  assert.equal(after.memoryOf('other'), undefined)
  assert.equal(after.newestSeq, seqs[2])
})

test('pages begin after a number, end with one, and have a limit', t => {
  const spool = open(t, join(memoryFolder(t), 'spool.sqlite'))
  for (let timeMs = 1; timeMs <= 6; timeMs++) append(spool, timeMs)
  const times = (...page: [number, number, number]) => spool.page(...page).map(({ timeMs }) => timeMs)
  assert.deepEqual(times(1, 5, 10), [2, 3, 4, 5])
  assert.deepEqual(times(1, 5, 2), [2, 3])
  assert.deepEqual(times(6, 6, 2), [])
})

describe('a settled sample is not seen again', () => {
  for (const how of ['append', 'flush', 'close'] as const) {
    test(`once ${how} has written the settlement`, t => {
      const path = join(memoryFolder(t), 'spool.sqlite')
      const spool = open(t, path)
      const first = append(spool, 1)
      append(spool, 2)
      spool.settle(first)
      assert.deepEqual(timesIn(spool), [2], 'not even before it is written')
      assert.equal(spool.unsettledCount(), 1)
      if (how === 'append') append(spool, 3)
      else spool[how]()
      if (how !== 'close') spool.close()
      assert.deepEqual(timesIn(open(t, path)), how === 'append' ? [2, 3] : [2])
    })
  }
})

test('killed at any moment: all that was appended is there, and a settlement not written is sent again', t => {
  const folder = memoryFolder(t)
  const path = join(folder, 'spool.sqlite')
  const spool = open(t, path)
  const first = append(spool, 1)
  append(spool, 2)
  spool.settle(first)
  // A kill -9 leaves the files as they are, with nothing closed.
  const copy = join(folder, 'copy.sqlite')
  for (const suffix of ['', '-wal']) copyFileSync(path + suffix, copy + suffix)
  assert.deepEqual(timesIn(open(t, copy)), [1, 2])
})

test('sample and state are on disk together or not at all, and so are the settlements', t => {
  const path = join(memoryFolder(t), 'spool.sqlite')
  const spool = open(t, path)
  const first = append(spool, 1)
  spool.settle(first)
  const broken = { ...memoryAt(2), serial: 2n } as unknown as ChargerMemory
  assert.throws(() => spool.append({ charger: 'wb', timeMs: 2, values: {} }, broken), TypeError)
  assert.deepEqual(spool.memoryOf('wb'), memoryAt(1))
  assert.equal(spool.newestSeq, first)
  append(spool, 3)
  assert.deepEqual(timesIn(spool), [3])
})

test('what was sent and not acknowledged keeps that mark over a restart', t => {
  const path = join(memoryFolder(t), 'spool.sqlite')
  const spool = open(t, path)
  const seqs = [1, 2, 3].map(timeMs => append(spool, timeMs))
  spool.settle(seqs[0]!)
  spool.giveBack([seqs[0]!, seqs[1]!])
  spool.close()
  const marks = open(t, path)
    .page(0, 9, 9)
    .map(({ timeMs, sentBefore }) => [timeMs, sentBefore])
  assert.deepEqual(marks, [
    [2, true],
    [3, false]
  ])
})

test('a number is never used twice, also when the spool was empty in between', t => {
  const path = join(memoryFolder(t), 'spool.sqlite')
  const spool = open(t, path)
  const first = append(spool, 1)
  spool.settle(first)
  spool.close()
  const again = open(t, path)
  assert.equal(again.unsettledCount(), 0)
  assert.ok(append(again, 2) > first)
})

test('when it is full the oldest go first, are counted, and the file stays within its bound', t => {
  const path = join(memoryFolder(t), 'spool.sqlite')
  let reported = 0
  const spool = open(t, path, { maxBytes: spoolBytesMin, onDropped: count => (reported += count) })
  const ChargerStatus = 'x'.repeat(3_000)
  const total = 1_200
  for (let timeMs = 1; timeMs <= total; timeMs++) {
    spool.append({ charger: 'wb', timeMs, values: { ChargerStatus } }, memoryAt(timeMs))
  }
  const left = timesIn(spool)
  assert.ok(spool.dropped > 0)
  assert.equal(reported, spool.dropped)
  assert.equal(left.length, total - spool.dropped)
  assert.deepEqual(
    left,
    Array.from(left, (_, i) => spool.dropped + 1 + i),
    'the newest are there without a gap'
  )
  assert.ok(spool.usedBytes() <= spoolBytesMin)
  assert.ok(statSync(path).size + statSync(`${path}-wal`).size <= spoolBytesMin * 1.2)
})

describe('a damaged file is put aside and a new one started', () => {
  const damages: Record<string, (path: string) => void> = {
    'no database at all': path => writeFileSync(path, 'not a database, and long enough to be looked at'.repeat(200)),
    'a torn file': path => truncateSync(path, statSync(path).size - 5_000),
    'noise in the middle': path => scribble(path),
    'a schema of another version': path => {
      const db = new DatabaseSync(path)
      db.exec('PRAGMA user_version = 99')
      db.close()
    }
  }
  for (const [name, damage] of Object.entries(damages)) {
    test(name, t => {
      const folder = memoryFolder(t)
      const path = join(folder, 'spool.sqlite')
      fillSpool(path, 500, long)
      damage(path)
      const quarantined: string[] = []
      const spool = open(t, path, { onQuarantine: file => quarantined.push(file) })
      assert.deepEqual(timesIn(spool), [])
      assert.equal(quarantined.length, 1)
      assert.ok(existsSync(quarantined[0]!), 'the damaged file is kept')
      append(spool, 1)
      assert.deepEqual(timesIn(spool), [1])
    })
  }

  test('also while it is in use: numbers go on rising', t => {
    const folder = memoryFolder(t)
    const path = join(folder, 'spool.sqlite')
    fillSpool(path, 4_000, long)
    const quarantined: unknown[] = []
    const spool = open(t, path, { onQuarantine: file => quarantined.push(file) })
    const newest = spool.newestSeq
    scribble(path)
    assert.deepEqual(timesIn(spool), [])
    assert.equal(quarantined.length, 1)
    assert.ok(append(spool, 1) > newest)
    assert.deepEqual(timesIn(spool), [1])
    assert.equal(readdirSync(folder).filter(file => file.includes('.damaged-')).length > 0, true)
  })

  test('an empty file is a new spool, not a damaged one', t => {
    const path = join(memoryFolder(t), 'spool.sqlite')
    writeFileSync(path, '')
    append(open(t, path, { onQuarantine: () => assert.fail('quarantined') }), 1)
  })
})

/** A value that no charger reports. It is not copied into a new file. */
const long = () => ({ ChargerStatus: 'x'.repeat(900) })

/** Writes noise over half of the pages. The first page is left out. */
function scribble(path: string): void {
  const { size } = statSync(path)
  const file = openSync(path, 'r+')
  for (let at = 8_192; at < size / 2; at += 4_096) writeSync(file, Buffer.alloc(4_096, 0xa5), 0, 4_096, at)
  closeSync(file)
}

describe('a spool that cannot be opened is a fault of the configuration', () => {
  test('where its folder cannot be', t => {
    const file = join(memoryFolder(t), 'file')
    writeFileSync(file, '')
    assert.throws(
      () => openSpool({ path: join(file, 'spool.sqlite'), maxBytes: spoolBytesMin }),
      isSpoolFault(/written/)
    )
  })

  test('where another edge uses it', t => {
    const path = join(memoryFolder(t), 'spool.sqlite')
    append(open(t, path), 1)
    assert.throws(() => openSpool({ path, maxBytes: spoolBytesMin }), isSpoolFault(/no other edge/))
  })
})

const isSpoolFault = (expected: RegExp) => (error: unknown) => {
  assert.ok(error instanceof ConfigError)
  assert.equal(error.faults[0]?.path, 'spool.path')
  assert.match(error.faults[0].expected, expected)
  return true
}

test('the folder is made', t => {
  const path = join(memoryFolder(t), 'a', 'b', 'spool.sqlite')
  append(open(t, path), 1)
  assert.ok(existsSync(path))
})

describe('acknowledged samples', () => {
  const dayMs = 86_400_000

  test('stay for two weeks after the acknowledgement, however old they are', t => {
    let nowMs = 100 * dayMs
    const spool = open(t, join(memoryFolder(t), 'spool.sqlite'), { nowMs: () => nowMs })
    const replayed = () => spool.replayStep(0, 0).samples
    for (let timeMs = 1; timeMs <= 10; timeMs++) spool.settle(append(spool, timeMs))
    nowMs += 13 * dayMs
    append(spool, 11)
    assert.equal(replayed(), 10)
    for (let seq = 1; seq <= 10; seq++) spool.settle(seq)
    spool.flush()
    nowMs += 13 * dayMs
    append(spool, 12)
    nowMs += 2 * dayMs
    append(spool, 13)
    assert.equal(replayed(), 0)
    assert.deepEqual(timesIn(spool), [11, 12, 13])
  })

  test('the newest of all stays: its number must not be given again', t => {
    let nowMs = 100 * dayMs
    const path = join(memoryFolder(t), 'spool.sqlite')
    const spool = open(t, path, { nowMs: () => nowMs })
    for (const timeMs of [1, 2]) spool.settle(append(spool, timeMs))
    spool.flush()
    nowMs += 15 * dayMs
    spool.append({ charger: 'wb', undated: { bootId: 'b', monotonicMs: 1 }, values: {} }, memoryAt(3))
    spool.close()
    const again = open(t, path)
    assert.equal(again.newestSeq, 2)
    assert.equal(again.replayStep(0, 0).samples, 1)
  })

  test('cost nothing while the backlog is read, and the backlog nothing while they are many', t => {
    const path = join(memoryFolder(t), 'spool.sqlite')
    fillSpool(path, 100_000, i => ({ PowerOutput: i }))
    const spool = open(t, path, { maxBytes: 64 * spoolBytesMin })
    assert.equal(spool.unsettledCount(), 100_000)
    for (let seq = 1; seq <= 99_000; seq++) {
      spool.settle(seq)
      if (seq % 1_000 === 0) spool.flush()
    }
    assert.equal(spool.unsettledCount(), 1_000)
    assert.equal(spool.oldestUnsettledMs(), 99_001)
    const asked = t.mock.method(SpoolFile.prototype, 'all')
    assert.equal(spool.page(0, spool.newestSeq, 128)[0]?.seq, 99_001)
    const read = asked.mock.calls.map(({ result }) => (result as unknown[]).length)
    assert.deepEqual(read, [128], 'one statement, and no row beside those of the page')
    const { this: file, arguments: call } = asked.mock.calls[0]!
    const [sql, ...values] = call
    const plan = (file as SpoolFile).all<{ detail: string }>(`EXPLAIN QUERY PLAN ${sql}`, ...values)
    assert.deepEqual(
      plan.map(({ detail }) => detail),
      ['SEARCH backlog USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)'],
      'no scan, no sort'
    )
  })
})

test('the oldest unsettled sample is told without those whose acknowledgement is not written yet', t => {
  const spool = open(t, join(memoryFolder(t), 'spool.sqlite'))
  assert.equal(spool.oldestUnsettledMs(), undefined)
  const seqs = [5, 6, 7].map(timeMs => append(spool, timeMs))
  spool.settle(seqs[0]!)
  spool.settle(seqs[1]!)
  assert.equal(spool.oldestUnsettledMs(), 7)
  spool.settle(seqs[2]!)
  assert.equal(spool.oldestUnsettledMs(), undefined)
  assert.equal(spool.unsettledCount(), 0)
})

describe('a sample whose time is not known', () => {
  const hold = (spool: Spool, bootId: string, monotonicMs: number, charger = 'wb') =>
    spool.append(
      { charger, undated: { bootId, monotonicMs }, values: { PowerOutput: monotonicMs } },
      memoryAt(monotonicMs)
    )

  test('waits on disk, is not sent, and counts as unsettled', t => {
    const path = join(memoryFolder(t), 'spool.sqlite')
    const spool = open(t, path)
    append(spool, 1)
    assert.equal(hold(spool, 'boot-1', 10.7), 0)
    spool.close()
    const again = open(t, path)
    assert.deepEqual(timesIn(again), [1])
    assert.equal(again.unsettledCount(), 2)
    assert.deepEqual(again.memoryOf('wb'), memoryAt(10.7))
    assert.deepEqual(again.undatedBoots(), [{ bootId: 'boot-1', newestMonotonicMs: 10 }])
  })

  test('comes after everything else once it is stamped, in the order in which it was appended', t => {
    const path = join(memoryFolder(t), 'spool.sqlite')
    const spool = open(t, path)
    hold(spool, 'boot-1', 5)
    for (let ms = 1; ms <= 3_000; ms++) hold(spool, 'boot-2', ms, ms % 2 === 0 ? 'a' : 'b')
    const passed = append(spool, 1)
    const boots = [
      { bootId: 'boot-1', newestMonotonicMs: 5 },
      { bootId: 'boot-2', newestMonotonicMs: 3_000 }
    ]
    assert.deepEqual(spool.undatedBoots(), boots)
    const memories = () => new Map([['a', memoryAt(77)]])
    assert.equal(
      spool.stampUndated('boot-2', ms => 1_000_000 + ms, memories),
      3_000
    )
    const samples = spool.page(passed, spool.newestSeq, 10_000)
    assert.deepEqual(
      samples.map(({ charger, timeMs, values }) => [charger, timeMs, values.PowerOutput]),
      Array.from({ length: 3_000 }, (_, i) => [i % 2 === 0 ? 'b' : 'a', 1_000_001 + i, i + 1])
    )
    assert.ok(samples.every(({ sentBefore }) => !sentBefore))
    assert.equal(spool.unsettledCount(), 3_002)
    assert.deepEqual(spool.memoryOf('a'), memoryAt(77))
    assert.deepEqual(spool.undatedBoots(), boots.slice(0, 1))
    assert.equal(append(spool, 2_000_000), passed + 3_001)
    spool.close()
    assert.equal(open(t, path).page(passed, 10_000, 10_000).length, 3_001)
  })

  test('is dropped and counted where no time can be found for it', t => {
    let dropped = 0
    const path = join(memoryFolder(t), 'spool.sqlite')
    const spool = open(t, path, { onDropped: samples => (dropped += samples) })
    for (const ms of [1, 2, 3]) hold(spool, 'boot', ms)
    assert.equal(
      spool.stampUndated('boot', ms => (ms === 2 ? undefined : ms)),
      2
    )
    assert.deepEqual(timesIn(spool), [1, 3])
    assert.equal(dropped, 1)
    spool.close()
    assert.equal(open(t, path).dropped, 1, 'also after a restart')
  })

  test('stays undated when stamping fails in the middle', t => {
    const spool = open(t, join(memoryFolder(t), 'spool.sqlite'))
    for (const ms of [1, 2, 3]) hold(spool, 'boot', ms)
    const failing = (ms: number) => {
      if (ms === 3) throw new Error('no')
      return ms === 2 ? undefined : ms
    }
    assert.throws(() => spool.stampUndated('boot', failing), /no/)
    assert.equal(spool.unsettledCount(), 3)
    assert.deepEqual(timesIn(spool), [])
    assert.equal(spool.newestSeq, 0)
    assert.equal(
      spool.stampUndated('boot', ms => ms),
      3
    )
  })
})

test('a lifetime total that is learnt is added to what waits, and not to what was sent or to others', t => {
  const path = join(memoryFolder(t), 'spool.sqlite')
  const spool = open(t, path)
  const total = (charger: string, timeMs: number, totalWh: number) =>
    spool.append({ charger, timeMs, values: { PowerOutput: 7, TotalEnergyConsumption: totalWh } }, memoryAt(timeMs))
  const sent = total('wb', 1, 10)
  spool.giveBack([sent])
  spool.settle(total('wb', 2, 20))
  const before = total('wb', 2, 25)
  total('wb', 3, 30)
  append(spool, 4)
  total('other', 5, 50)
  spool.append(
    { charger: 'wb', undated: { bootId: 'b', monotonicMs: 6 }, values: { TotalEnergyConsumption: 60 } },
    memoryAt(6)
  )
  assert.equal(spool.addToTotals('wb', 1_000.5, before, memoryAt(9)), 2)
  spool.close()
  const again = open(t, path)
  again.stampUndated('b', ms => ms)
  assert.deepEqual(
    again.page(0, again.newestSeq, 10).map(({ timeMs, values }) => [timeMs, values.TotalEnergyConsumption]),
    [
      [1, 10],
      [2, 25],
      [3, 1_030.5],
      [4, undefined],
      [5, 50],
      [6, 1_060.5]
    ]
  )
  assert.deepEqual(again.memoryOf('wb'), memoryAt(9))
})

test('samples of a time that has not come move back with their distances, and stay in order', t => {
  const path = join(memoryFolder(t), 'spool.sqlite')
  const spool = open(t, path)
  const sentSeq = append(spool, 9_000)
  spool.giveBack([sentSeq])
  for (const ms of [990, 5_000, 5_500, 5_501]) append(spool, ms)
  spool.append({ charger: 'other', timeMs: 7_000, values: { PowerOutput: 1 } }, memoryAt(7_000))
  const memoryOf = (newestMs: number) => memoryAt(newestMs)
  assert.equal(spool.pullBack('wb', 1_000, memoryOf), 3)
  spool.close()
  const again = open(t, path)
  assert.deepEqual(
    again.page(0, again.newestSeq, 10).map(({ timeMs }) => timeMs),
    [9_000, 990, 991, 999, 1_000, 7_000]
  )
  assert.equal(again.memoryOf('wb')?.timeMs, 1_000)
})
