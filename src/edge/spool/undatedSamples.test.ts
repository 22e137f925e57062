import assert from 'node:assert/strict'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { ChargerValues } from '../../model/wire/chargerState.ts'
import { ChargerRecorder } from '../chargerRecorder.ts'
import { temporaryFolder } from '../testing/folder.ts'
import { readableLog } from '../testing/log.ts'
import { openSpool, type Spool } from './spool.ts'
import { UndatedSamples } from './undatedSamples.ts'

const bootedMs = Date.UTC(2026, 10, 25)

/** A machine with a Spool. Its boots follow each other. Each boot has a monotonic clock from 0 and an unknown time. */
function machine(t: TestContext) {
  const path = join(temporaryFolder(t), 'spool.sqlite')
  let spool: Spool | undefined
  t.after(() => spool?.close())
  const boot = (bootId: string, ...names: string[]) => {
    spool?.close()
    spool = openSpool({ path, maxBytes: 4 * 1024 * 1024 })
    const open = spool
    const { log, lines } = readableLog()
    const now = { monotonicMs: 0, bootedMs: undefined as number | undefined }
    const at = (ms: number) => (now.bootedMs === undefined ? undefined : now.bootedMs + ms)
    const time = { at, now: () => at(now.monotonicMs), isConfirmed: true }
    const recorders = new Map<string, ChargerRecorder>()
    const undated = new UndatedSamples({
      spool,
      time,
      bootId,
      memoryOf: charger => recorders.get(charger)?.memory,
      onStamped: (charger, memory) => recorders.get(charger)?.stamped(memory),
      log
    })
    for (const charger of names) {
      const onAppended = (isUndated: boolean) => (isUndated ? undated.noteAppended() : undefined)
      const clock = { monotonicMs: () => now.monotonicMs }
      const options = { charger, spool, heartbeatMs: 900_000, clock, time, bootId, log, onAppended }
      recorders.set(charger, new ChargerRecorder(options))
    }
    const record = (charger: string, monotonicMs: number, values: Partial<ChargerValues>) => {
      now.monotonicMs = monotonicMs
      undated.settle()
      recorders.get(charger)!.record({ arrivedMonotonicMs: monotonicMs, values, implausible: [] })
    }
    const times = (charger: string) =>
      open
        .page(0, open.newestSeq, 1_000)
        .flatMap(sample => (sample.charger === charger ? [sample.timeMs - bootedMs] : []))
    return { now, undated, record, times, lines, recorder: (charger: string) => recorders.get(charger)! }
  }
  return boot
}

test('an undated sample gets the time at which it was taken, before anything newer, and is current then', t => {
  const { now, record, times, recorder } = machine(t)('boot-1', 'a', 'b')
  record('a', 1_000, { OperationState: 'idle', PowerOutput: 0 })
  record('b', 2_000, { OperationState: 'idle' })
  record('a', 31_000, { OperationState: 'charging', PowerOutput: 0 })
  assert.deepEqual([times('a'), times('b')], [[], []])
  now.bootedMs = bootedMs
  record('a', 61_000, { OperationState: 'charging', PowerOutput: 7_000 })
  assert.deepEqual([times('a'), times('b')], [[1_000, 31_000, 61_000], [2_000]])
  assert.deepEqual(recorder('a').now().known, {
    OperationState: { value: 'charging', timeMs: bootedMs + 31_000 },
    PowerOutput: { value: 7_000, timeMs: bootedMs + 61_000 }
  })
  assert.equal(recorder('b').now().known.OperationState?.timeMs, bootedMs + 2_000)
})

test('a restart of the edge, not of the machine: the marks still mean the same', t => {
  const boot = machine(t)
  boot('boot-1', 'a').record('a', 1_000, { OperationState: 'idle' })
  const { now, undated, times, lines } = boot('boot-1', 'a')
  now.bootedMs = bootedMs
  undated.settle()
  assert.deepEqual(times('a'), [1_000])
  assert.equal(lines.find(({ event }) => event === 'samples_stamped')?.estimated, false)
})

test('of an earlier start of the machine: it ended when the next one began, and order and distances hold', t => {
  const boot = machine(t)
  const first = boot('boot-1', 'a')
  first.record('a', 1_000, { OperationState: 'idle' })
  first.record('a', 50_000, { OperationState: 'charging' })
  boot('boot-2', 'a').record('a', 4_000, { OperationState: 'idle' })
  const third = boot('boot-3', 'a')
  third.record('a', 7_000, { OperationState: 'charging' })
  third.now.bootedMs = bootedMs
  third.undated.settle()
  assert.deepEqual(third.times('a'), [-53_000, -4_000, 0, 7_000])
  const estimates = third.lines.filter(({ event }) => event === 'samples_stamped').map(({ estimated }) => estimated)
  assert.deepEqual(estimates, [true, true, false])
})

test('time never runs backwards within the spool, also where an estimate would lie before what was known', t => {
  const boot = machine(t)
  const first = boot('boot-1', 'a')
  first.now.bootedMs = bootedMs - 10_000
  first.record('a', 9_000, { OperationState: 'idle' })
  const second = boot('boot-2', 'a')
  second.record('a', 5_000, { OperationState: 'charging' })
  second.record('a', 5_000.4, { OperationState: 'idle' })
  second.now.bootedMs = bootedMs - 20_000
  second.undated.settle()
  assert.deepEqual(second.times('a'), [-1_000, -999, -998])
})

test('samples of a charger that is not configured any more are stamped, too', t => {
  const boot = machine(t)
  boot('boot-1', 'gone').record('gone', 1_000, { OperationState: 'idle' })
  const { now, undated, times } = boot('boot-1')
  now.bootedMs = bootedMs
  undated.settle()
  assert.deepEqual(times('gone'), [1_000])
})

test('a kill right after stamping leaves times in the memory, too', t => {
  const boot = machine(t)
  const { now, record, undated } = boot('boot-1', 'a')
  record('a', 1_000, { OperationState: 'idle' })
  now.bootedMs = bootedMs
  undated.settle()
  const again = boot('boot-1', 'a')
  assert.deepEqual(again.recorder('a').now().known, { OperationState: { value: 'idle', timeMs: bootedMs + 1_000 } })
})
