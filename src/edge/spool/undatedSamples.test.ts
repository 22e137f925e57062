import assert from 'node:assert/strict'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { ChargerValues } from '../../model/wire/chargerState.ts'
import { ChargerRecorder } from '../chargerRecorder.ts'
import { temporaryFolder } from '../testing/folder.ts'
import { readableLog } from '../testing/log.ts'
import { openSpool, type Spool } from './spool.ts'
import { Held } from './undatedSamples.ts'

const bootedMs = Date.UTC(2026, 10, 25)

/** A machine with a spool: its boots follow each other, each with a monotonic clock from 0 and a time that is not known yet. */
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
    const watches = new Map<string, ChargerRecorder>()
    const held = new Held({
      spool,
      time,
      bootId,
      memoryOf: charger => watches.get(charger)?.memory,
      onStamped: (charger, memory) => watches.get(charger)?.stamped(memory),
      log
    })
    for (const charger of names) {
      const onAppended = (isHeld: boolean) => (isHeld ? held.noteAppended() : undefined)
      const clock = { monotonicMs: () => now.monotonicMs }
      const options = { charger, spool, heartbeatMs: 900_000, clock, time, bootId, log, onAppended }
      watches.set(charger, new ChargerRecorder(options))
    }
    const take = (charger: string, monotonicMs: number, values: Partial<ChargerValues>) => {
      now.monotonicMs = monotonicMs
      held.settle()
      watches.get(charger)!.take({ arrivedMonotonicMs: monotonicMs, values, implausible: [] })
    }
    const times = (charger: string) =>
      open
        .page(0, open.newestSeq, 1_000)
        .flatMap(sample => (sample.charger === charger ? [sample.timeMs - bootedMs] : []))
    return { now, held, take, times, lines, watch: (charger: string) => watches.get(charger)! }
  }
  return boot
}

test('what was held gets the time that it was taken at, before anything newer, and is current then', t => {
  const { now, take, times, watch } = machine(t)('boot-1', 'a', 'b')
  take('a', 1_000, { OperationState: 'idle', PowerOutput: 0 })
  take('b', 2_000, { OperationState: 'idle' })
  take('a', 31_000, { OperationState: 'charging', PowerOutput: 0 })
  assert.deepEqual([times('a'), times('b')], [[], []])
  now.bootedMs = bootedMs
  take('a', 61_000, { OperationState: 'charging', PowerOutput: 7_000 })
  assert.deepEqual([times('a'), times('b')], [[1_000, 31_000, 61_000], [2_000]])
  assert.deepEqual(watch('a').now().known, {
    OperationState: { value: 'charging', timeMs: bootedMs + 31_000 },
    PowerOutput: { value: 7_000, timeMs: bootedMs + 61_000 }
  })
  assert.equal(watch('b').now().known.OperationState?.timeMs, bootedMs + 2_000)
})

test('a restart of the edge, not of the machine: the marks still mean the same', t => {
  const boot = machine(t)
  boot('boot-1', 'a').take('a', 1_000, { OperationState: 'idle' })
  const { now, held, times, lines } = boot('boot-1', 'a')
  now.bootedMs = bootedMs
  held.settle()
  assert.deepEqual(times('a'), [1_000])
  assert.equal(lines.find(({ event }) => event === 'samples_stamped')?.estimated, false)
})

test('of an earlier start of the machine: it ended when the next one began, and order and distances hold', t => {
  const boot = machine(t)
  const first = boot('boot-1', 'a')
  first.take('a', 1_000, { OperationState: 'idle' })
  first.take('a', 50_000, { OperationState: 'charging' })
  boot('boot-2', 'a').take('a', 4_000, { OperationState: 'idle' })
  const third = boot('boot-3', 'a')
  third.take('a', 7_000, { OperationState: 'charging' })
  third.now.bootedMs = bootedMs
  third.held.settle()
  assert.deepEqual(third.times('a'), [-53_000, -4_000, 0, 7_000])
  const estimates = third.lines.filter(({ event }) => event === 'samples_stamped').map(({ estimated }) => estimated)
  assert.deepEqual(estimates, [true, true, false])
})

test('time never runs backwards within the spool, also where an estimate would lie before what was known', t => {
  const boot = machine(t)
  const first = boot('boot-1', 'a')
  first.now.bootedMs = bootedMs - 10_000
  first.take('a', 9_000, { OperationState: 'idle' })
  const second = boot('boot-2', 'a')
  second.take('a', 5_000, { OperationState: 'charging' })
  second.take('a', 5_000.4, { OperationState: 'idle' })
  second.now.bootedMs = bootedMs - 20_000
  second.held.settle()
  assert.deepEqual(second.times('a'), [-1_000, -999, -998])
})

test('samples of a charger that is not configured any more are stamped, too', t => {
  const boot = machine(t)
  boot('boot-1', 'gone').take('gone', 1_000, { OperationState: 'idle' })
  const { now, held, times } = boot('boot-1')
  now.bootedMs = bootedMs
  held.settle()
  assert.deepEqual(times('gone'), [1_000])
})

test('a kill right after stamping leaves times in the memory, too', t => {
  const boot = machine(t)
  const { now, take, held } = boot('boot-1', 'a')
  take('a', 1_000, { OperationState: 'idle' })
  now.bootedMs = bootedMs
  held.settle()
  const again = boot('boot-1', 'a')
  assert.deepEqual(again.watch('a').now().known, { OperationState: { value: 'idle', timeMs: bootedMs + 1_000 } })
})
