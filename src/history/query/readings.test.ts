// Values that are carried forward, and what buckets compute from sums: means by time, maxima, and the gain of a
// counter.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { valueSpecs } from '../../model/wire/chargerState.ts'
import { type Answer, RecordedDb } from '../testing/recordedDb.ts'
import { Zone } from '../zone.ts'
import { carriedMsMax } from './limits.ts'
import { type BucketResolution, bucketBounds, bucketReadings, rawReadings } from './readings.ts'

const dayUs = carriedMsMax * 1000
const minuteMs = 60_000
const fromUs = Date.parse('2026-10-02T00:00:00Z') * 1000
const time = (us: number): string => new Date((fromUs + us) / 1000).toISOString()

type Known = Readonly<Record<string, readonly [value: number | string, us: number]>>
/** A value and its time for each column: the database returns the values that held last in this form. */
const lastOf = (known: Known): unknown[] =>
  valueSpecs.flatMap(({ column }) => {
    const [value, us] = known[column] ?? [null, 0]
    return value === null ? [null, null] : [value, String(fromUs + us)]
  })
const heldBefore = (known: Known): Answer => ['AND time < $3::timestamptz', [lastOf(known)]]

describe('raw readings', () => {
  /** A row with its time since the start of the range, power and card. */
  const row = (us: number, power: number | null, card: string | null = null): unknown[] => [
    String(fromUs + us),
    ...valueSpecs.map(({ column }) =>
      column === 'power_output' ? power : column === 'connected_vehicle' ? card : null
    )
  ]
  const at = (name: string): number => 1 + valueSpecs.findIndex(spec => spec.name === name)
  async function read(rows: unknown[][], known: Known = {}, afterUs?: number) {
    const recorded = new RecordedDb([['ORDER BY time LIMIT', rows], heldBefore(known)])
    const range = { chargerId: 1, fromUs, toUs: fromUs + 2 * dayUs }
    const { rows: found, lastUs } = await rawReadings(recorded.db, range, 10, afterUs)
    const brief = found.map(one => [one[0], one[at('PowerOutput')], one[at('ConnectedVehicle')]])
    return { recorded, found: brief, lastUs }
  }

  it('have each value until the next one, and null while none is known', async () => {
    const { found, lastUs } = await read([row(0, 1), row(1e6, null, 'A'), row(2e6, 0, '')])
    assert.deepEqual(found, [
      [time(0), 1, null],
      [time(1e6), 1, 'A'],
      [time(2e6), 0, '']
    ])
    assert.equal(lastUs, fromUs + 2e6)
  })

  it('have a value for exactly a day', async () => {
    const { found } = await read([row(0, 1), row(dayUs, null, 'A'), row(dayUs + 1, null, 'A')])
    assert.deepEqual(
      found.map(([, power]) => power),
      [1, 1, null]
    )
  })

  it('begin with what held before', async () => {
    const { found } = await read([row(0, null, 'A')], { power_output: [7, -dayUs] })
    assert.equal(found[0]![1], 7)
    const { found: later } = await read([row(1, null, 'A')], { power_output: [7, -dayUs] })
    assert.equal(later[0]![1], null)
  })

  it('go on behind a time, but not before the range', async () => {
    const startOf = async (afterUs?: number): Promise<unknown> =>
      (await read([], {}, afterUs)).recorded.of('LIMIT')[0]!.values[1]
    assert.equal(await startOf(), '2026-10-02T00:00:00.000Z')
    assert.equal(await startOf(fromUs), '2026-10-02T00:00:00.000001Z')
    assert.equal(await startOf(fromUs - 1), '2026-10-02T00:00:00.000Z')
    assert.equal(await startOf(fromUs - 5e6), '2026-10-02T00:00:00.000Z')
  })

  it('of no row have no last time', async () => assert.equal((await read([])).lastUs, undefined))
})

describe('the buckets of a range', () => {
  const us = (text: string): number => Date.parse(text) * 1000
  const berlin = new Zone('Europe/Berlin')
  const cases: [from: string, to: string, resolution: BucketResolution, limit: number, bounds: string[]][] = [
    ['2026-10-01T00:00:30Z', '2026-10-01T00:02:00Z', '1m', 9, ['00:00', '00:01', '00:02']],
    ['2026-10-01T00:00:00Z', '2026-10-01T00:02:00.001Z', '1m', 9, ['00:00', '00:01', '00:02', '00:03']],
    ['2026-10-01T00:00:00Z', '2026-10-01T09:00:00Z', '1m', 2, ['00:00', '00:01', '00:02']],
    ['2026-10-01T00:14:59Z', '2026-10-01T00:15:01Z', '15m', 9, ['00:00', '00:15', '00:30']],
    ['2026-10-01T23:59:59Z', '2026-10-02T00:00:00Z', '1h', 9, ['23:00', '00:00']],
    ['2026-10-24T12:00:00Z', '2026-10-26T12:00:00Z', '1d', 9, ['22:00', '22:00', '23:00', '23:00']],
    ['2026-10-24T12:00:00Z', '2026-10-26T12:00:00Z', '1d', 1, ['22:00', '22:00']]
  ]
  for (const [from, to, resolution, limit, bounds] of cases) {
    it(`of ${resolution} from ${from} to ${to}, at most ${limit}, are bounded at ${bounds}`, () => {
      const found = bucketBounds({ fromUs: us(from), toUs: us(to) }, resolution, berlin, limit)
      assert.deepEqual(
        found.map(ms => new Date(ms).toISOString().slice(11, 16)),
        bounds
      )
    })
  }
})

describe('readings by bucket', () => {
  const startMs = fromUs / 1000
  interface Sums {
    readonly power?: readonly [sum: number, firstUs: number]
    readonly powerMax?: number
    readonly energy?: readonly [first: number, min: number, max: number]
    readonly last: Known
  }
  const sumsRow = (bucket: number, { power, powerMax, energy, last }: Sums): unknown[] => [
    bucket,
    power?.[0] ?? 0,
    power === undefined ? null : String(fromUs + power[1]),
    0,
    null,
    powerMax ?? null,
    ...(energy ?? [null, null, null]),
    ...lastOf(last)
  ]
  /** The power (mean and maximum) and the energy of each minute. */
  async function read(before: Known, sums: readonly Sums[], minutes = 1, nowMs = startMs + 1e9) {
    const rows = sums.map((one, bucket) => sumsRow(bucket, one))
    const recorded = new RecordedDb([['width_bucket', rows], heldBefore(before)])
    const bounds = Array.from({ length: minutes + 1 }, (_, i) => startMs + i * minuteMs)
    const found = await bucketReadings(recorded.db, 1, bounds, nowMs)
    return found.map(row => row.slice(1, 4))
  }

  it('are unknown where nothing was ever told', async () => assert.deepEqual(await read({}, []), [[null, null, null]]))

  it('without a row have what held before, for a day', async () => {
    assert.deepEqual(await read({ power_output: [600, -1] }, []), [[600, 600, null]])
    assert.deepEqual(await read({ power_output: [600, -dayUs] }, []), [[null, 600, null]])
    assert.deepEqual(await read({ power_output: [600, -dayUs - 1] }, []), [[null, null, null]])
    // The value is known for half of the minute. The mean covers that half.
    assert.deepEqual(await read({ power_output: [600, -dayUs + 30e6] }, []), [[600, 600, null]])
  })

  it('weigh each value by the time for which it held', async () => {
    // 600 W for 15 s, then 1,200 W for 15 s, then 0 W for 30 s.
    const sums: Sums = { power: [1_200 * 15e6, 15e6], powerMax: 1_200, last: { power_output: [0, 30e6] } }
    assert.deepEqual(await read({ power_output: [600, -1] }, [sums]), [[450, 1_200, null]])
    // Without a value before the bucket, the mean covers 45 s.
    assert.deepEqual(await read({}, [sums]), [[400, 1_200, null]])
  })

  it('count what held before for the most, unless a value begins with the bucket', async () => {
    const from = (firstUs: number): Sums => ({
      power: [0, firstUs],
      powerMax: 10,
      last: { power_output: [10, firstUs] }
    })
    assert.deepEqual((await read({ power_output: [600, -1] }, [from(0)]))[0]![1], 10)
    assert.deepEqual((await read({ power_output: [600, -1] }, [from(1)]))[0]![1], 600)
  })

  it('of a time that has not passed yet count until now, and none begins now', async () => {
    const known: Known = { power_output: [600, -1] }
    assert.equal((await read(known, [], 3, startMs + 2 * minuteMs)).length, 2)
    assert.equal((await read(known, [], 3, startMs + 2 * minuteMs + 1)).length, 3)
    assert.equal((await read(known, [], 3, startMs)).length, 0)
  })

  const counters: [
    what: string,
    before: number | undefined,
    energy: Sums['energy'],
    last: number,
    wh: number | null
  ][] = [
    ['a counter that rises', 100, [110, 110, 150], 150, 50],
    ['a counter that is seen first', undefined, [110, 110, 150], 150, 40],
    ['a counter that does not move', 100, [100, 100, 100], 100, 0],
    ['one that fell between: only what it gained in the bucket', 500, [110, 110, 150], 150, 40],
    ['one that falls within: up before it, and up behind it', 100, [110, 5, 150], 20, 10 + 40 + 15],
    ['one that falls at once: the least that it can have been', 100, [110, 5, 110], 20, 10 + 15],
    ['one that falls, and rises above all', 100, [110, 5, 200], 200, 10 + 195]
  ]
  for (const [what, before, energy, last, wh] of counters) {
    it(`have the energy of ${what}: ${wh} Wh`, async () => {
      const known: Known = before === undefined ? {} : { total_energy_consumption: [before, -1] }
      const sums: Sums = { ...(energy && { energy }), last: { total_energy_consumption: [last, 30e6] } }
      assert.equal((await read(known, [sums]))[0]![2], wh)
    })
  }

  it('have no energy where the counter tells nothing, and none is gained', async () => {
    assert.equal((await read({ total_energy_consumption: [100, -1] }, []))[0]![2], 0)
  })

  it('hand on what held at their end to the next one', async () => {
    const first: Sums = { energy: [110, 110, 150], last: { total_energy_consumption: [150, 30e6] } }
    const second: Sums = { energy: [170, 170, 170], last: { total_energy_consumption: [170, 90e6] } }
    assert.deepEqual(
      (await read({}, [first, second], 2)).map(([, , wh]) => wh),
      [40, 20]
    )
  })
})
