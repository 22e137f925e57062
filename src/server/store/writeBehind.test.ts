import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { WriteBehind } from './writeBehind.ts'

const intervalMs = 100

/** A write-behind with the test's timers. Its database keeps the written entries, and fails while `isAway` is true. */
class Bench {
  readonly written: string[] = []
  readonly failures: string[] = []
  isAway = false
  nowMs = 0
  takesMs = 0
  /** If set, a write waits for this promise. */
  gate: Promise<void> | undefined
  parallel = 0
  readonly behind: WriteBehind<number>
  readonly #t: TestContext

  constructor(t: TestContext, intervalMaxMs?: number) {
    t.mock.timers.enable({ apis: ['setTimeout'] })
    this.#t = t
    this.behind = new WriteBehind({
      intervalMs,
      ...(intervalMaxMs !== undefined && { intervalMaxMs }),
      write: entries => this.#write(entries),
      failed: error => this.failures.push(error.message),
      now: () => this.nowMs
    })
  }

  async pass(ms: number): Promise<void> {
    this.#t.mock.timers.tick(ms)
    await turn()
  }

  async #write(entries: readonly [string, number][]): Promise<void> {
    assert.equal(++this.parallel, 1, 'one write at a time')
    await this.gate
    this.nowMs += this.takesMs
    this.parallel--
    if (this.isAway) throw new Error('away')
    this.written.push(entries.map(([key, entry]) => `${key}${entry}`).join(' '))
  }
}

test('the newest of each key is written once per interval, and nothing when nothing is new', async t => {
  const bench = new Bench(t)
  for (const [key, entry] of [
    ['a', 1],
    ['b', 1],
    ['a', 2]
  ] as const)
    bench.behind.note(key, entry)
  await bench.pass(intervalMs - 1)
  assert.deepEqual(bench.written, [])
  await bench.pass(1)
  await bench.pass(10 * intervalMs)
  assert.deepEqual(bench.written, ['a2 b1'])
})

test('what a failed write had goes with the next one, unless it is newer by then; the failure is told once', async t => {
  const bench = new Bench(t)
  bench.isAway = true
  bench.behind.note('a', 1)
  bench.behind.note('b', 1)
  await bench.pass(intervalMs)
  await bench.pass(intervalMs)
  bench.behind.note('a', 2)
  assert.deepEqual([bench.written, bench.failures], [[], ['away']])
  bench.isAway = false
  await bench.pass(intervalMs)
  assert.deepEqual(bench.written, ['a2 b1'])
  bench.isAway = true
  bench.behind.note('a', 3)
  await bench.pass(intervalMs)
  assert.deepEqual(bench.failures, ['away', 'away'])
})

test('what is noted during a write goes with the next one, in its order', async t => {
  const bench = new Bench(t)
  let open = (): void => {}
  bench.gate = new Promise(resolve => {
    open = resolve
  })
  bench.behind.note('a', 1)
  await bench.pass(intervalMs)
  bench.behind.note('a', 2)
  await bench.pass(intervalMs)
  assert.deepEqual([bench.written, bench.parallel], [[], 1])
  open()
  await turn()
  assert.deepEqual(bench.written, ['a1', 'a2'])
})

test('closing writes what is left, and comes to an end when the database is away', async t => {
  const bench = new Bench(t)
  bench.behind.note('a', 1)
  await bench.behind.close()
  assert.deepEqual(bench.written, ['a1'])
  bench.isAway = true
  bench.behind.note('a', 2)
  await bench.behind.close()
  await bench.pass(10 * intervalMs)
  assert.deepEqual([bench.written, bench.failures], [['a1'], ['away']])
})

test('very many entries are written in parts', async t => {
  const bench = new Bench(t)
  for (let i = 0; i < 12_000; i++) bench.behind.note(`${i}:`, i)
  await bench.behind.close()
  assert.deepEqual(
    bench.written.map(text => text.split(' ').length),
    [5_000, 5_000, 2_000]
  )
})

test('what takes long is written less often where that is allowed, and never where it is not', async t => {
  for (const [intervalMaxMs, takesMs, nextAfterMs] of [
    [undefined, 3_000, intervalMs],
    [10_000, 10, 200],
    [10_000, 3_000, 10_000]
  ] as const) {
    const bench = new Bench(t, intervalMaxMs)
    bench.takesMs = takesMs
    bench.behind.note('a', 1)
    await bench.pass(intervalMs)
    bench.behind.note('b', 1)
    await bench.pass(nextAfterMs - 1)
    assert.deepEqual(bench.written, ['a1'])
    await bench.pass(1)
    assert.deepEqual(bench.written, ['a1', 'b1'])
    t.mock.timers.reset()
  }
})
