import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, copyFileSync, openSync, readFileSync, statSync, truncateSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { DatabaseSync } from 'node:sqlite'
import { describe, type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { RetryableError } from '../../model/errors.ts'
import { spoolBytesDefault, spoolBytesMin } from '../limits.ts'
import { fillSpool } from '../testing/fillSpool.ts'
import { memoryFolder, temporaryFolder } from '../testing/folder.ts'
import { spoolPageBytes } from './limits.ts'
import { type ChargerMemory, openSpool, type Spool, type SpoolOptions } from './spool.ts'
import { SpoolFile } from './spoolFile.ts'

const memoryAt = (timeMs: number): ChargerMemory => ({ timeMs, known: { PowerOutput: { value: 1, timeMs } } })

function open(t: TestContext, path: string, options: Partial<SpoolOptions> = {}): Spool {
  const spool = openSpool({ path, maxBytes: 16 * spoolBytesMin, ...options })
  t.after(() => spool.close())
  return spool
}

const append = (spool: Spool, timeMs: number) =>
  spool.append({ charger: 'wb', timeMs, values: { PowerOutput: timeMs } }, memoryAt(timeMs))

const seqsIn = (spool: Spool) => spool.page(0, spool.newestSeq, 1_000_000).map(({ seq }) => seq)
const upTo = (last: number) => Array.from({ length: last }, (_, i) => i + 1)

describe('killed with signal 9 at any moment', () => {
  test('every append that returned is there, acknowledged or not', { timeout: 60_000 }, async t => {
    const path = join(memoryFolder(t), 'spool.sqlite')
    for (const appends of [1, 40, 333, 700]) {
      const returned = await killAfter(t, appends, path, spoolBytesDefault, 'settle')
      const file = new SpoolFile({ path, maxBytes: spoolBytesDefault }, true)
      const settled = file.all<{ seq: number }>('SELECT seq FROM settled').map(({ seq }) => seq)
      const backlog = file.rows('backlog', 0, Number.MAX_SAFE_INTEGER, 100_000).map(({ seq }) => seq)
      const all = [...settled, ...backlog].sort((a, b) => a - b)
      assert.ok(all.length >= returned)
      assert.deepEqual(all, upTo(all.length), 'without a gap, none twice')
      assert.equal(file.tally.backlog, backlog.length)
      assert.equal((file.memoryOf('wb') as ChargerMemory).timeMs, all.length * 1_000, 'the memory is that of the last')
      file.close()
    }
  })

  test('also while it is full: what is not there was counted', { timeout: 60_000 }, async t => {
    const path = join(memoryFolder(t), 'spool.sqlite')
    fillSpool(path, 24_000, i => ({ PowerOutput: i }), { timeMs: i => i * 1_000 })
    for (const appends of [300, 100, 1_000]) {
      const returned = await killAfter(t, appends, path, spoolBytesMin)
      const file = new SpoolFile({ path, maxBytes: spoolBytesMin }, true)
      const { backlog, thinned, dropped } = file.tally
      assert.ok(thinned > 0)
      assert.ok(file.newestSeq() >= returned)
      assert.equal(backlog + thinned + dropped, file.newestSeq())
      file.close()
    }
  })
})

/**
 * Runs a process that appends, and kills it after `appends` appends. Returns the number of the last append that has
 * returned.
 */
async function killAfter(t: TestContext, appends: number, path: string, maxBytes: number, ...more: string[]) {
  const script = fileURLToPath(new URL('../testing/appendForever.ts', import.meta.url))
  const child = spawn(process.execPath, [script, path, String(maxBytes), ...more], {
    stdio: ['ignore', 'pipe', 'inherit']
  })
  t.after(() => child.kill('SIGKILL'))
  let lines = 0
  let last = 0
  for await (const line of createInterface(child.stdout)) {
    lines++
    last = Number(line)
    if (lines === appends) child.kill('SIGKILL')
  }
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  assert.ok(lines >= appends, 'it ended before its time')
  return last
}

describe('a damaged disk', () => {
  test('noise in the log: what stands before it is there, and appends go on', t => {
    const folder = temporaryFolder(t)
    const path = join(folder, 'spool.sqlite')
    const spool = open(t, path)
    for (const i of upTo(60)) append(spool, i)
    const copy = join(folder, 'copy.sqlite')
    for (const suffix of ['', '-wal']) copyFileSync(path + suffix, copy + suffix)
    overwrite(`${copy}-wal`, 0xa5, statSync(`${copy}-wal`).size / 2)
    const after = open(t, copy)
    const seqs = seqsIn(after)
    assert.ok(seqs.length > 10 && seqs.length < 60)
    assert.deepEqual(seqs, upTo(seqs.length))
    assert.equal(append(after, 61), seqs.length + 1)
  })

  test('the file cut to nothing beside its log is put aside with it, and said', t => {
    const folder = temporaryFolder(t)
    const path = join(folder, 'spool.sqlite')
    const spool = open(t, path)
    append(spool, 1)
    const copy = join(folder, 'copy.sqlite')
    for (const suffix of ['', '-wal']) copyFileSync(path + suffix, copy + suffix)
    truncateSync(copy, 0)
    const quarantined: string[] = []
    const after = open(t, copy, { onQuarantine: file => quarantined.push(file) })
    assert.deepEqual(seqsIn(after), [])
    assert.ok(statSync(`${quarantined[0]}-wal`).size > 0)
    append(after, 2)
  })

  for (const [name, byte] of [
    ['zeros', 0],
    ['noise', 0xa5]
  ] as const) {
    test(`${name} anywhere in the file: it starts, says so or has all, and takes samples`, t => {
      const folder = temporaryFolder(t)
      const whole = join(folder, 'whole.sqlite')
      fillSpool(whole, 1_000, i => ({ PowerOutput: i }))
      const { size } = statSync(whole)
      for (let at = 0; at < size - 512; at += Math.floor(size / 12)) {
        const path = join(folder, `at-${at}.sqlite`)
        copyFileSync(whole, path)
        overwrite(path, byte, at, 512)
        let quarantined = 0
        const spool = open(t, path, { onQuarantine: () => quarantined++ })
        const left = seqsIn(spool).length
        assert.ok(quarantined === 1 || left === 1_000, `${left} left of 1000, and nothing said (at ${at})`)
        append(spool, 1)
        spool.close()
      }
    })
  }
})

function overwrite(path: string, byte: number, at: number, bytes = statSync(path).size - at): void {
  const file = openSync(path, 'r+')
  writeSync(file, Buffer.alloc(Math.floor(bytes), byte), 0, Math.floor(bytes), Math.floor(at))
  closeSync(file)
}

describe('a disk that cannot be written', () => {
  const told = () => {
    const events: string[] = []
    return { events, onUnwritable: () => events.push('unwritable'), onWritable: () => events.push('writable') }
  }
  const isDiskFault = (error: unknown) => error instanceof RetryableError && error.code === 'spool_disk'

  test('no room: nothing moves, it is said once, and it goes on when there is room', t => {
    const { events, ...callbacks } = told()
    const spool = open(t, join(temporaryFolder(t), 'spool.sqlite'), { maxBytes: spoolBytesMin, ...callbacks })
    append(spool, 1)
    const huge = { charger: 'wb', timeMs: 2, values: { ChargerStatus: 'x'.repeat(2 * spoolBytesMin) } }
    for (let i = 0; i < 3; i++) assert.throws(() => spool.append(huge, memoryAt(2)), isDiskFault)
    assert.deepEqual([seqsIn(spool), spool.newestSeq, spool.memoryOf('wb')], [[1], 1, memoryAt(1)])
    assert.equal(spool.unsettledCount(), 1)
    assert.deepEqual(events, ['unwritable'])
    assert.equal(append(spool, 3), 2)
    assert.deepEqual(events, ['unwritable', 'writable'])
  })

  test('the system refuses every byte: what is there can be read and acknowledged, and it recovers by itself', t => {
    // The limit holds for this process alone: no file may grow beyond 16 KB.
    const limitFiles = (bytes: string) => spawnSync('prlimit', ['--pid', String(process.pid), `--fsize=${bytes}:`])
    if (limitFiles('unlimited').status !== 0) return t.skip('no prlimit here')
    t.after(() => limitFiles('unlimited'))
    const { events, ...callbacks } = told()
    const spool = open(t, join(temporaryFolder(t), 'spool.sqlite'), callbacks)
    for (const i of upTo(20)) append(spool, i)
    limitFiles('16384')
    for (let i = 0; i < 3; i++) assert.throws(() => append(spool, 21), isDiskFault)
    assert.deepEqual(seqsIn(spool), upTo(20))
    assert.equal(spool.newestSeq, 20)
    spool.settle(1)
    assert.throws(() => spool.flush(), isDiskFault)
    assert.deepEqual(seqsIn(spool), upTo(20).slice(1), 'an acknowledgement that cannot be written counts all the same')
    limitFiles('unlimited')
    assert.equal(append(spool, 22), 21)
    assert.deepEqual(seqsIn(spool), upTo(21).slice(1))
    assert.deepEqual(events, ['unwritable', 'writable'])
  })
})

test('a file of version 1 keeps its samples, their numbers and marks, and the memory', t => {
  const path = join(temporaryFolder(t), 'spool.sqlite')
  writeVersion1(path, 3_000)
  const spool = open(t, path, { onQuarantine: () => assert.fail('quarantined') })
  const page = spool.page(0, spool.newestSeq, 10_000)
  assert.deepEqual(
    page.map(({ seq }) => seq),
    upTo(3_000).map(i => i + 5)
  )
  assert.deepEqual(page[1], { seq: 7, charger: 'wb', timeMs: 2, values: { PowerOutput: 2 }, sentBefore: true })
  assert.deepEqual(page[2], { seq: 8, charger: 'wb', timeMs: 3, values: { PowerOutput: 3 }, sentBefore: false })
  assert.deepEqual(spool.memoryOf('wb'), memoryAt(9))
  assert.equal(spool.newestSeq, 4_000, 'numbers that were given and acknowledged are not given again')
  spool.close()
  assert.equal(append(open(t, path), 10), 4_001)
})

test('a move from version 1 that was killed goes on at the next start', t => {
  const path = join(temporaryFolder(t), 'spool.sqlite')
  const spool = open(t, path)
  for (const i of upTo(2)) append(spool, i)
  spool.close()
  const db = new DatabaseSync(path)
  db.exec(`${version1Samples.replace('samples', 'samples_v1')}
    INSERT INTO samples_v1 (seq, charger, time_ms, sample_values) VALUES (3, 'wb', 3, '{}'), (4, 'wb', 4, '{}');`)
  db.close()
  assert.deepEqual(seqsIn(open(t, path)), [1, 2, 3, 4])
})

const version1Samples = `
  CREATE TABLE samples (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    charger TEXT NOT NULL,
    time_ms INTEGER NOT NULL,
    sample_values TEXT NOT NULL,
    sent INTEGER NOT NULL DEFAULT 0
  ) STRICT;`

function writeVersion1(path: string, samples: number): void {
  const db = new DatabaseSync(path)
  db.exec(`PRAGMA journal_mode = WAL; ${version1Samples}
    CREATE TABLE chargers (charger TEXT PRIMARY KEY, memory TEXT NOT NULL) STRICT;
    PRAGMA user_version = 1; BEGIN`)
  const insert = db.prepare('INSERT INTO samples VALUES (?, ?, ?, ?, ?)')
  for (const i of upTo(samples)) insert.run(i + 5, 'wb', i, JSON.stringify({ PowerOutput: i }), i === 2 ? 1 : 0)
  db.prepare('INSERT INTO chargers VALUES (?, ?)').run('wb', JSON.stringify(memoryAt(9)))
  db.exec("UPDATE sqlite_sequence SET seq = 4000 WHERE name = 'samples'; COMMIT")
  db.close()
}

test('a poll is one transaction on disk, which carries the acknowledgements, and about three small pages', t => {
  const path = join(memoryFolder(t), 'spool.sqlite')
  const spool = open(t, path)
  const polls = 100
  const poll = (i: number) => spool.settle(append(spool, i))
  for (const i of upTo(polls)) poll(i)
  const exec = t.mock.method(DatabaseSync.prototype, 'exec')
  const begun = () => exec.mock.calls.flatMap(({ arguments: [sql] }) => (sql === 'COMMIT' ? [] : [sql]))
  const commits = () => exec.mock.callCount() - begun().length
  const logBytes = () => statSync(`${path}-wal`).size
  const before = logBytes()
  for (const i of upTo(polls)) poll(polls + i)
  assert.deepEqual([commits(), new Set(begun())], [polls, new Set(['BEGIN IMMEDIATE'])])
  const pagesPerPoll = (logBytes() - before) / (spoolPageBytes + frameHeadBytes) / polls
  t.diagnostic(`${pagesPerPoll} pages a poll`)
  assert.ok(pagesPerPoll > 1 && pagesPerPoll <= 3.2, `${pagesPerPoll} pages a poll`)
  spool.flush() // writes the last acknowledgement
  spool.flush() // writes nothing
  assert.equal(commits(), polls + 1)
  spool.close()
  const file = new SpoolFile({ path, maxBytes: spoolBytesDefault }, false)
  const full = 2 // one fsync for each transaction
  assert.deepEqual({ ...file.get<object>('PRAGMA synchronous') }, { synchronous: full })
  assert.deepEqual({ ...file.get<object>('PRAGMA journal_mode') }, { journal_mode: 'wal' })
  file.close()
})

/** The bytes of a frame header, one for each page in SQLite's write-ahead log. */
const frameHeadBytes = 24

test('a day of polls every 10 s, all values new, writes less than 100 MB to the card', t => {
  const path = join(temporaryFolder(t), 'spool.sqlite')
  const spool = open(t, path, { maxBytes: spoolBytesDefault })
  const polls = 700
  const poll = (i: number) => {
    const timeMs = Date.UTC(2026, 10, 23) + i * 10_000
    const values = {
      TotalEnergyConsumption: 1e6 + i * 20,
      SessionEnergy: i * 20,
      PowerOutput: 7_000 + i,
      OutputCurrent: i / 7
    }
    const known = Object.fromEntries(
      [...Object.entries(values), ...states].map(([name, value]) => [name, { value, timeMs }])
    )
    const last = { energyWh: i * 20, durationSeconds: i * 10, card: '04A1B2C3D4E5F6' }
    spool.settle(
      spool.append(
        { charger: 'garage-left', timeMs, values },
        { timeMs, known, energy: { totalWh: 1e6, last, doubts: 0 }, serial: '1234567890' }
      )
    )
  }
  for (const i of upTo(100)) poll(i)
  const before = bytesWritten()
  if (before === undefined) return t.skip('this system does not tell')
  for (const i of upTo(polls)) poll(100 + i)
  const perPoll = (bytesWritten()! - before) / polls
  if (perPoll === 0) return t.skip('this file system is in memory')
  const megabytes = (perPoll * 8_640) / 1e6
  t.diagnostic(`${Math.round(perPoll)} bytes a poll, ${megabytes.toFixed(0)} MB a day`)
  assert.ok(megabytes < 100)
})

const states: readonly [string, string | number][] = [
  ['OperationState', 'charging'],
  ['MaximumOutputCurrent', 16],
  ['ConnectedVehicle', '04A1B2C3D4E5F6'],
  ['ChargerStatus', 'Charging']
]

/** The bytes that this process has sent to a disk, in whole blocks of the file system. Undefined if unknown. */
function bytesWritten(): number | undefined {
  try {
    return Number(/^write_bytes: (\d+)$/m.exec(readFileSync('/proc/self/io', 'utf8'))?.[1])
  } catch {
    return undefined
  }
}
