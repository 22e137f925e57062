import assert from 'node:assert/strict'
import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { temporaryFolder } from '../testing/folder.ts'
import { readableLog } from '../testing/log.ts'
import { askKernel, type ClockState, EdgeTime, nextSamplingTime, readBootId, systemClock } from './clock.ts'

const todayMs = Date.UTC(2026, 10, 25)
const hourMs = 3_600_000

/** A machine whose clocks and kernel state the test sets. */
async function machine(kernel: boolean | undefined, nowMs = todayMs) {
  const { log, events, lines } = readableLog()
  const m = { nowMs, monotonicMs: 5_000, kernel, known: 0 }
  const clock = { nowMs: () => m.nowMs, monotonicMs: () => m.monotonicMs }
  const time = new EdgeTime({ clock, log, kernel: async () => m.kernel, onKnown: () => m.known++ })
  const pass = (ms: number) => {
    m.nowMs += ms
    m.monotonicMs += ms
  }
  await time.start()
  return { m, time, pass, events, lines }
}

describe('what the time is, by what the kernel says and what the server told', () => {
  const behindMs = -10 * hourMs
  type Row = [
    kernel: boolean | undefined,
    ownMs: number,
    serverMs: number | undefined,
    state: ClockState,
    nowMs?: number
  ]
  const table: Record<string, Row> = {
    'the kernel is synchronised': [true, todayMs, undefined, 'synchronised', todayMs],
    'nobody can say': [undefined, todayMs, undefined, 'system', todayMs],
    'the kernel is not synchronised': [false, todayMs, undefined, 'unsynchronised'],
    'before this software was made': [undefined, Date.UTC(2025, 5, 1), undefined, 'unset'],
    'before this software was made, and yet synchronised': [true, 0, undefined, 'unset'],
    'a wrong date, and the server tells': [undefined, 0, todayMs, 'server', todayMs],
    'not synchronised, and the server tells': [false, todayMs, todayMs + 5, 'server', todayMs + 5],
    'unknown, and near the server': [undefined, todayMs, todayMs - 59_000, 'synchronised', todayMs],
    'unknown, and far from the server': [undefined, todayMs, todayMs + behindMs, 'server', todayMs + behindMs],
    'synchronised, and some minutes from the server': [true, todayMs, todayMs - 200_000, 'synchronised', todayMs],
    'synchronised, and so far ahead that the server takes nothing': [
      true,
      todayMs,
      todayMs - 280_000,
      'server',
      todayMs - 280_000
    ]
  }
  for (const [name, [kernel, ownMs, serverMs, state, nowMs]] of Object.entries(table)) {
    test(name, async t => {
      const { time } = await machine(kernel, ownMs)
      t.after(() => time.stop())
      if (serverMs !== undefined) time.serverSays(serverMs, 0)
      assert.deepEqual([time.state, time.now()], [state, nowMs])
    })
  }
})

test("the server's time is that of the middle of the round trip", async t => {
  const { time, pass } = await machine(false)
  t.after(() => time.stop())
  time.serverSays(todayMs + hourMs, 400)
  assert.equal(time.now(), todayMs + hourMs + 200)
  pass(1_000)
  assert.equal(time.now(), todayMs + hourMs + 1_200)
})

test('an offset over a minute is told, a smaller one is not', async () => {
  const { time, events, lines } = await machine(true)
  time.serverSays(todayMs + 59_000, 100)
  assert.ok(!events().includes('clock_offset'))
  time.serverSays(todayMs - 61_000, 100)
  assert.equal(lines.find(({ event }) => event === 'clock_offset')?.offsetMs, 60_950)
})

describe('a wall clock that leaps', () => {
  test('is not followed, and is again when it is back', async () => {
    const { m, time, pass, events } = await machine(undefined)
    assert.equal(time.now(), todayMs)
    m.nowMs += 10 * 365 * 24 * hourMs
    pass(30_000)
    assert.deepEqual([time.state, time.now()], ['leapt', todayMs + 30_000])
    m.nowMs -= 10 * 365 * 24 * hourMs
    pass(30_000)
    assert.deepEqual([time.state, time.now()], ['system', todayMs + 60_000])
    assert.equal(events().filter(event => event === 'clock_leapt').length, 1)
  })

  test('backwards neither', async () => {
    const { m, time } = await machine(true)
    assert.equal(time.now(), todayMs)
    m.kernel = false
    m.nowMs = 0
    assert.equal(time.now(), todayMs)
    await new Promise(resolve => setImmediate(resolve))
    assert.equal(time.now(), todayMs)
    time.stop()
  })

  test('is followed when the kernel says that it is synchronised', async () => {
    const { m, time } = await machine(undefined)
    m.kernel = true
    m.nowMs += hourMs
    assert.equal(time.now(), todayMs)
    await new Promise(resolve => setImmediate(resolve))
    assert.deepEqual([time.state, time.now()], ['synchronised', todayMs + hourMs])
  })

  test('is followed when the server says the same', async () => {
    const { m, time } = await machine(undefined)
    m.nowMs += hourMs
    assert.equal(time.now(), todayMs)
    time.serverSays(todayMs + hourMs + 300, 0)
    assert.deepEqual([time.state, time.now()], ['synchronised', todayMs + hourMs])
  })

  test('by less than a minute is a correction', async () => {
    const { m, time } = await machine(undefined)
    for (const ms of [50_000, -40_000]) {
      m.nowMs += ms
      assert.deepEqual([time.state, time.now()], ['system', m.nowMs])
    }
  })
})

test('the time is known from the moment on at which the kernel is synchronised', async t => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const { m, time, events } = await machine(false)
  assert.equal(time.now(), undefined)
  assert.equal(m.known, 0)
  m.kernel = true
  m.nowMs += 40_000
  t.mock.timers.tick(10_000)
  await new Promise(resolve => setImmediate(resolve))
  assert.deepEqual([time.state, time.now(), m.known], ['synchronised', todayMs + 40_000, 1])
  assert.equal(events().filter(event => event === 'clock_not_set').length, 1)
})

test('once it was known it stays known, whatever the kernel says later', async t => {
  const { m, time } = await machine(undefined)
  t.after(() => time.stop())
  m.kernel = false
  m.nowMs += hourMs
  assert.equal(time.now(), todayMs)
  await new Promise(resolve => setImmediate(resolve))
  m.nowMs -= hourMs
  assert.equal(time.now(), todayMs)
})

test('sampling times rise, also when the clock steps back or stands', () => {
  assert.equal(nextSamplingTime(1_000.9, undefined), 1_000)
  assert.equal(nextSamplingTime(1_001, 1_000), 1_001)
  assert.equal(nextSamplingTime(1_000, 1_000), 1_001)
  assert.equal(nextSamplingTime(500, 1_000), 1_001)
})

describe('the kernel is asked through timedatectl', () => {
  const saying = (t: TestContext, script: string): string => {
    const file = join(temporaryFolder(t), 'timedatectl')
    writeFileSync(file, `#!/bin/sh\n${script}\n`)
    chmodSync(file, 0o755)
    return file
  }
  const table: [script: string, answer: boolean | undefined][] = [
    ['echo yes', true],
    ['echo no', false],
    ['echo', undefined],
    ['echo yes; exit 1', undefined]
  ]
  for (const [script, answer] of table) {
    test(`${script} is ${answer}`, async t => assert.equal(await askKernel(saying(t, script)), answer))
  }
  test('which need not be there', async () => assert.equal(await askKernel('/nowhere/timedatectl'), undefined))
})

test('a boot has one name, and a machine that tells none gets a new one', t => {
  const file = join(temporaryFolder(t), 'boot_id')
  writeFileSync(file, 'b7e1\n')
  assert.equal(readBootId(file), 'b7e1')
  assert.notEqual(readBootId('/nowhere'), readBootId('/nowhere'))
})

test('the clock that never steps is the one of the machine, not of the process', () => {
  assert.ok(Math.abs(systemClock.monotonicMs() - Number(process.hrtime.bigint()) / 1e6) < 1_000)
})
