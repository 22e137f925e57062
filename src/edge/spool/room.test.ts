import assert from 'node:assert/strict'
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import type { ChargerValues } from '../../model/wire/chargerState.ts'
import { diff, remember } from '../diff.ts'
import { spoolBytesMin } from '../limits.ts'
import { fillSpool } from '../testing/fillSpool.ts'
import { memoryFolder } from '../testing/folder.ts'
import { type ChargerMemory, openSpool, type Spool, type SpooledSample, type SpoolOptions } from './spool.ts'

const hourMs = 3_600_000
const dayMs = 24 * hourMs
const startMs = Date.UTC(2026, 10, 23)

const open = (t: TestContext, options: Partial<SpoolOptions> = {}) => {
  const path = join(memoryFolder(t), 'spool.sqlite')
  const spool = openSpool({ path, maxBytes: spoolBytesMin, ...options })
  t.after(() => spool.close())
  return { path, spool }
}

const empty: ChargerMemory = { timeMs: 0, known: {} }

/** A charger that charges from 7 to 8 every day. Each poll stores its values as the edge does. */
class Site {
  readonly told: { timeMs: number; values: Partial<ChargerValues> }[] = []
  readonly #charger: string
  readonly #heartbeatMs: number
  #memory = empty
  #totalWh = 0

  constructor(charger: string, heartbeatMs: number) {
    this.#charger = charger
    this.#heartbeatMs = heartbeatMs
  }

  poll(spool: Spool, timeMs: number): void {
    const values = this.#valuesAt(timeMs)
    const changed = diff(this.#memory.known, values, last => timeMs - last.timeMs, this.#heartbeatMs)
    if (Object.keys(changed).length === 0) return
    this.#memory = { timeMs, known: remember(this.#memory.known, changed, { timeMs }) }
    spool.append({ charger: this.#charger, timeMs, values: changed }, this.#memory)
    this.told.push({ timeMs, values: changed })
  }

  #valuesAt(timeMs: number): ChargerValues {
    const sinceSevenMs = (timeMs % dayMs) - 7 * hourMs
    const charges = sinceSevenMs >= 0 && sinceSevenMs < hourMs
    if (charges) this.#totalWh += 55
    return {
      OperationState: charges ? 'charging' : 'idle',
      TotalEnergyConsumption: this.#totalWh,
      SessionEnergy: charges ? sinceSevenMs / 500 : 7_200,
      PowerOutput: charges ? 7_300 + (timeMs % 97) : 0,
      OutputCurrent: charges ? 10 + (timeMs % 7) / 10 : 0,
      MaximumOutputCurrent: 16,
      ConnectedVehicle: charges ? `card ${Math.floor(timeMs / dayMs) % 5}` : '',
      ChargerStatus: charges ? 'Charging' : 'Idle'
    }
  }
}

/** Polls every 30 s while charging and every half an hour otherwise. */
function* pollTimes(days: number): Generator<number> {
  for (let day = startMs; day < startMs + days * dayMs; day += dayMs) {
    for (let timeMs = day; timeMs < day + dayMs; ) {
      yield timeMs
      const hour = (timeMs % dayMs) / hourMs
      timeMs += hour >= 7 && hour < 8 ? 30_000 : hourMs / 2
    }
  }
}

const countValues = (samples: readonly { values: object }[]): number =>
  samples.reduce((sum, { values }) => sum + Object.keys(values).length, 0)

test('two months without a server in one megabyte: no change of state and no hour of energy is lost', t => {
  let thinned = 0
  const { path, spool } = open(t, { onThinned: n => (thinned += n), onDropped: () => assert.fail('dropped') })
  const sites = ['left', 'right'].map(name => new Site(name, hourMs))
  let usedMax = 0
  let slowestMs = 0
  for (const timeMs of pollTimes(61)) {
    for (const [i, site] of sites.entries()) {
      const startedMs = performance.now()
      site.poll(spool, timeMs + i)
      slowestMs = Math.max(slowestMs, performance.now() - startedMs)
    }
    usedMax = Math.max(usedMax, spool.usedBytes())
  }
  const left = spool.page(0, spool.newestSeq, Number.MAX_SAFE_INTEGER)
  const told = sites.flatMap(site => site.told)
  t.diagnostic(
    `${told.length} samples, ${left.length} left, ${thinned} values thinned, slowest ${slowestMs.toFixed(1)} ms`
  )
  assert.ok(thinned > 10_000, 'it was full')
  assert.equal(spool.thinned, thinned)
  assert.equal(countValues(told), countValues(left) + thinned, 'every value is there or counted')
  assert.equal(spool.unsettledCount(), left.length)
  assert.ok(usedMax <= spoolBytesMin)
  assert.ok(statSync(path).size <= spoolBytesMin)
  for (const [i, site] of sites.entries()) {
    const its = left.filter(({ charger }) => charger === ['left', 'right'][i])
    assert.deepEqual(changesOf(its), changesOf(site.told))
    assert.deepEqual(hourlyTotals(its), hourlyTotals(site.told))
    assert.deepEqual(newest(its, 500), newest(site.told, 500), 'what is new is whole')
  }
})

const stateNames = ['OperationState', 'MaximumOutputCurrent', 'ConnectedVehicle', 'ChargerStatus'] as const

/** Every change of a state with its time. */
function changesOf(samples: readonly Pick<SpooledSample, 'timeMs' | 'values'>[]): unknown[] {
  const last: Record<string, unknown> = {}
  return samples.flatMap(({ timeMs, values }) =>
    stateNames
      .filter(name => values[name] !== undefined && values[name] !== last[name])
      .map(name => {
        last[name] = values[name]
        return [timeMs, name, values[name]]
      })
  )
}

/** The first and the last total of every hour. */
function hourlyTotals(samples: readonly Pick<SpooledSample, 'timeMs' | 'values'>[]): unknown[] {
  const hours = new Map<number, [number, number]>()
  for (const { timeMs, values } of samples) {
    const total = values.TotalEnergyConsumption
    if (total === undefined) continue
    const hour = Math.floor(timeMs / hourMs)
    hours.set(hour, [hours.get(hour)?.[0] ?? total, total])
  }
  return [...hours]
}

const newest = (samples: readonly Pick<SpooledSample, 'timeMs' | 'values'>[], count: number) =>
  samples.slice(-count).map(({ timeMs, values }) => ({ timeMs, values }))

describe('what the server has goes before what it does not have', () => {
  const values = { ChargerStatus: 'x'.repeat(500) }

  test('oldest first, while the unsettled samples stay whole', t => {
    const { spool } = open(t, { onThinned: () => assert.fail('thinned'), onDropped: () => assert.fail('dropped') })
    for (let timeMs = 1; timeMs <= 4_000; timeMs++) {
      const seq = spool.append({ charger: 'wb', timeMs, values }, empty)
      if (timeMs > 50) spool.settle(seq)
    }
    assert.equal(spool.unsettledCount(), 50)
    assert.ok(spool.usedBytes() <= spoolBytesMin)
    const { samples } = spool.replayStep(0, 0)
    const times = spool.page(50, spool.newestSeq, 10_000).map(({ timeMs }) => timeMs)
    assert.equal(times.length, samples)
    assert.ok(samples > 500, 'as many as there is room for')
    assert.deepEqual(
      times,
      times.map((_, i) => 4_000 - samples + 1 + i),
      'the newest'
    )
  })
})

test('a spool that is given less room than it has taken is thinned into it, a little with every append', t => {
  const path = join(memoryFolder(t), 'spool.sqlite')
  const values = (i: number) => ({ PowerOutput: i, SessionEnergy: i, TotalEnergyConsumption: i })
  fillSpool(path, 40_000, values, { timeMs: i => startMs + i * 10_000 })
  assert.ok(statSync(path).size > 3 * spoolBytesMin)
  const spool = openSpool({ path, maxBytes: spoolBytesMin, onDropped: () => assert.fail('dropped') })
  t.after(() => spool.close())
  let appends = 0
  for (let i = 40_001; spool.usedBytes() > spoolBytesMin; i++, appends++) {
    spool.append({ charger: 'wb', timeMs: startMs + i * 10_000, values: values(i) }, empty)
    assert.ok(appends < 2_000, 'it makes no progress')
  }
  assert.ok(appends > 100, 'not all at once')
})

describe('undated samples', () => {
  test('are thinned like others, by their own clock', t => {
    const { spool } = open(t, { onDropped: () => assert.fail('dropped') })
    const values = { PowerOutput: 7_400, OutputCurrent: 10.7, SessionEnergy: 1, TotalEnergyConsumption: 1_234_567 }
    for (let i = 0; i < 10_000; i++) {
      spool.append({ charger: 'wb', undated: { bootId: 'a', monotonicMs: i * 10_000 }, values }, empty)
    }
    assert.ok(spool.thinned > 10_000)
    assert.ok(spool.usedBytes() <= spoolBytesMin)
    spool.stampUndated('a', ms => startMs + ms)
    const samples = spool.page(0, spool.newestSeq, 100_000)
    assert.equal(countValues(samples) + spool.thinned, 40_000)
    assert.deepEqual(
      newest(samples, 2_000).map(({ timeMs }) => timeMs),
      Array.from({ length: 2_000 }, (_, i) => startMs + (8_000 + i) * 10_000),
      'what is new is whole'
    )
  })

  test('go oldest first when nothing is left to thin, and are counted', t => {
    const { spool } = open(t)
    const values = { ChargerStatus: 'x'.repeat(500) }
    for (let i = 0; i < 4_000; i++) {
      spool.append(
        { charger: 'wb', undated: { bootId: 'a', monotonicMs: i }, values: { ...values, MaximumOutputCurrent: i } },
        empty
      )
    }
    assert.ok(spool.dropped > 0)
    const stamped = spool.stampUndated('a', ms => startMs + ms)
    assert.equal(stamped + spool.dropped, 4_000)
    assert.equal(spool.page(0, spool.newestSeq, 1)[0]?.values.MaximumOutputCurrent, spool.dropped)
  })
})
