import assert from 'node:assert/strict'
import { closeSync, copyFileSync, openSync, readdirSync, statSync, truncateSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, type TestContext, test } from 'node:test'
import { fillSpool } from '../testing/fillSpool.ts'
import { memoryFolder } from '../testing/folder.ts'
import { damagedFilesMax } from './limits.ts'
import { type ChargerMemory, openSpool, type Spool, type SpooledSample } from './spool.ts'

const valuesOf = (i: number) => ({ PowerOutput: i, ChargerStatus: 'Charging' })
const memory: ChargerMemory = { timeMs: 1, known: {} }
const samples = 2_000

interface Opened {
  readonly spool: Spool
  readonly quarantined: { readonly file: string; readonly saved: number }[]
  readonly left: SpooledSample[]
}

function open(t: TestContext, path: string): Opened {
  const quarantined: Opened['quarantined'] = []
  const onQuarantine = (file: string, _: unknown, saved: number) => void quarantined.push({ file, saved })
  const spool = openSpool({ path, maxBytes: 64 * 1024 * 1024, onQuarantine })
  t.after(() => spool.close())
  return { spool, quarantined, left: spool.page(0, spool.newestSeq, 10_000) }
}

function overwrite(path: string, at: number, bytes: number): void {
  const file = openSync(path, 'r+')
  writeSync(file, Buffer.alloc(bytes, 0xa5), 0, bytes, Math.floor(at))
  closeSync(file)
}

/** Asserts that the samples are as they were spooled (number, time and values), in order and without repeats. */
function assertTrue(left: readonly SpooledSample[]): void {
  for (const { seq, charger, timeMs, values } of left) {
    assert.deepEqual([charger, timeMs, values], ['wb', seq, valuesOf(seq)])
  }
  const seqs = left.map(({ seq }) => seq)
  assert.deepEqual(
    seqs,
    [...new Set(seqs)].sort((a, b) => a - b),
    'in order, none twice'
  )
}

describe('what can be read of a damaged file is taken over, true and in order', () => {
  const filled = (t: TestContext): string => {
    const path = join(memoryFolder(t), 'spool.sqlite')
    fillSpool(path, samples, valuesOf)
    return path
  }

  test('the end is torn off', t => {
    const path = filled(t)
    truncateSync(path, statSync(path).size * 0.8)
    const { quarantined, left } = open(t, path)
    assertTrue(left)
    assert.ok(left.length > samples * 0.7, `${left.length} left`)
    assert.deepEqual(
      quarantined.map(({ saved }) => saved),
      [left.length]
    )
  })

  test('a block in the middle is noise: all before and all behind it', t => {
    const path = filled(t)
    overwrite(path, statSync(path).size / 2, 4_096)
    const { quarantined, left } = open(t, path)
    assertTrue(left)
    assert.ok(left.length > samples * 0.9, `${left.length} left`)
    assert.deepEqual([left[0]?.seq, left.at(-1)?.seq], [1, samples])
    assert.equal(quarantined[0]?.saved, left.length)
  })

  test('while it is in use: numbers go on, and what is acknowledged meanwhile is not sent again', t => {
    const path = filled(t)
    const { spool, quarantined } = open(t, path)
    spool.settle(1)
    spool.settle(samples)
    spool.close()
    const again = open(t, path).spool
    again.settle(2)
    overwrite(path, statSync(path).size / 2, 8_192)
    const left = again.page(0, again.newestSeq, 10_000)
    assert.equal(quarantined.length, 0, 'it was whole at the start')
    assertTrue(left)
    assert.deepEqual([left[0]?.seq, left.at(-1)?.seq], [3, samples - 1])
    const seq = again.append({ charger: 'wb', timeMs: samples + 1, values: valuesOf(samples + 1) }, memory)
    assert.equal(seq, samples + 1)
    assert.equal(again.unsettledCount(), left.length + 1)
  })
})

test('what no charger can have said, what was acknowledged and the memory are not taken over', t => {
  const path = join(memoryFolder(t), 'spool.sqlite')
  fillSpool(path, 6, i => valuesOf(i))
  const { spool } = open(t, path)
  spool.settle(1)
  spool.append({ charger: 'wb', timeMs: 7, values: valuesOf(7) }, memory)
  spool.append({ charger: 'wb', undated: { bootId: 'b', monotonicMs: 1 }, values: valuesOf(9) }, memory)
  spool.close()
  const db = new DatabaseSync(path)
  const spoil = db.prepare('UPDATE backlog SET sample_values = ? WHERE seq = ?')
  spoil.run('{"PowerOutput":"much"}', 2)
  spoil.run('{"PowerOutput":1', 3)
  spoil.run('{"Nonsense":1}', 4)
  db.exec("UPDATE backlog SET charger = 'a/b' WHERE seq = 5; PRAGMA user_version = 99")
  db.close()
  const after = open(t, path)
  assert.deepEqual(
    after.left.map(({ seq }) => seq),
    [6, 7]
  )
  assert.equal(after.quarantined[0]?.saved, 3, 'the undated one too')
  assert.deepEqual(
    after.spool.undatedBoots().map(({ bootId }) => bootId),
    ['b']
  )
  assert.equal(after.spool.memoryOf('wb'), undefined)
  assert.equal(after.spool.replayStep(0, 0).samples, 0)
})

test('what only stands in the log of a killed edge is taken over too', t => {
  const folder = memoryFolder(t)
  const path = join(folder, 'spool.sqlite')
  fillSpool(path, 500, valuesOf)
  const { spool } = open(t, path)
  spool.append({ charger: 'wb', timeMs: 501, values: valuesOf(501) }, memory)
  const copy = join(folder, 'copy.sqlite')
  for (const suffix of ['', '-wal']) copyFileSync(path + suffix, copy + suffix)
  overwrite(copy, statSync(copy).size / 2, 4_096)
  const { quarantined, left } = open(t, copy)
  assert.equal(quarantined.length, 1)
  assertTrue(left)
  assert.equal(left.at(-1)?.seq, 501)
})

test('totals are taken over where they are lifetime energy, and no offset is added to them later', t => {
  const path = join(memoryFolder(t), 'spool.sqlite')
  const { spool } = open(t, path)
  const energy = { totalWh: 5_000, last: { energyWh: 1 }, doubts: 0 }
  const seed = { kind: 'session', first: { energyWh: 1 }, firstWh: 0 } as unknown as NonNullable<ChargerMemory['seed']>
  const append = (charger: string, more: Partial<ChargerMemory>) =>
    spool.append(
      { charger, timeMs: 1, values: { PowerOutput: 7, TotalEnergyConsumption: 5_000 } },
      { ...memory, ...more }
    )
  append('counted', { energy })
  append('waits', { energy, seed })
  append('unknown', {})
  spool.close()
  const db = new DatabaseSync(path)
  db.exec('PRAGMA user_version = 99')
  db.close()
  const after = open(t, path).spool
  assert.equal(after.addToTotals('counted', 1_000, 0, memory), 0)
  assert.deepEqual(
    after.page(0, 9, 9).map(({ charger, values, sentBefore }) => [charger, values.TotalEnergyConsumption, sentBefore]),
    [
      ['counted', 5_000, true],
      ['waits', undefined, false],
      ['unknown', undefined, false]
    ]
  )
})

test('only the newest damaged files stay: a dying card is not filled with them', t => {
  const folder = memoryFolder(t)
  const path = join(folder, 'spool.sqlite')
  const files: string[] = []
  for (let i = 0; i < damagedFilesMax + 2; i++) {
    fillSpool(path, 100, valuesOf)
    truncateSync(path, statSync(path).size - 3_000)
    const { spool, quarantined } = open(t, path)
    files.push(quarantined[0]!.file)
    spool.close()
  }
  const kept = readdirSync(folder).filter(name => name.includes('damaged'))
  assert.deepEqual(
    [...new Set(kept.map(name => join(folder, name.replace(/-(wal|shm)$/, ''))))].sort(),
    files.slice(-damagedFilesMax)
  )
})
