import assert from 'node:assert/strict'
import { before, describe, type TestContext, test } from 'node:test'
import type { Retained } from '../energy/seed.ts'
import { type Bench, Site, startMs } from '../testing/publisherBench.ts'
import type { AskLimits } from './ask.ts'
import type { PublisherOptions } from './publish.ts'

let site: Site
before(async () => {
  site = await Site.make()
})

/** Limits in ms. If the server answers, no test waits for them. */
const patient: AskLimits = { answer: 30_000, grace: 30_000, retry: 5 }

interface Asking extends Bench {
  readonly times: [serverMs: number, roundTripMs: number][]
  readonly seeds: [charger: string, retained: Retained][]
}

async function bench(t: TestContext, wanted: string[] = [], options: Partial<PublisherOptions> = {}): Promise<Asking> {
  const times: [number, number][] = []
  const seeds: [string, Retained][] = []
  const b = await site.bench(t, {
    mayPublish: charger => ['wb', 'other'].includes(charger),
    onServerTime: (...time) => times.push(time),
    seedsWanted: () => wanted,
    onRetained: (charger, retained) => {
      wanted.splice(wanted.indexOf(charger), 1)
      seeds.push([charger, retained])
    },
    askLimitsMs: patient,
    ...options
  })
  return Object.assign(b, { times, seeds })
}

const wbConnection = 'chargers/wb/Connection'
const envelope = (value: unknown, ms = startMs) =>
  JSON.stringify({ SamplingTime: new Date(ms).toISOString(), Value: value })

describe("the server's time", () => {
  test('is the stamp of the copy that it sends at SUBSCRIBE, and the round trip bounds its age', async t => {
    const b = await bench(t)
    const beforeMs = performance.now()
    b.broker.connectionCopy = () => envelope('online', startMs + 123)
    await b.publisher.start()
    await b.broker.until(() => b.broker.unsubscribed.length >= 1)
    const [[serverMs, roundTripMs] = [0, 0], ...more] = b.times
    assert.deepEqual([serverMs, more], [startMs + 123, []])
    assert.ok(roundTripMs > 0 && roundTripMs < performance.now() - beforeMs)
    assert.deepEqual([b.broker.subscribed, b.broker.unsubscribed], [[wbConnection], [wbConnection]])
  })

  test('the round trip counts from SUBSCRIBE to the copy', async t => {
    const b = await bench(t)
    b.broker.connectionCopy = () => undefined
    await b.publisher.start()
    await b.broker.until(() => b.broker.subscribed.length >= 1)
    const askedMs = performance.now()
    const spun = () => performance.now() - askedMs >= 40
    await b.broker.until(spun)
    b.broker.tell(wbConnection, envelope('online'), true)
    await b.broker.until(() => b.times.length >= 1)
    assert.ok(b.times[0]![1] >= 40)
  })

  test('is asked for at every connect, on the topic of the first charger of the certificate', async t => {
    const b = await bench(t, [], { ownCharger: 'other' })
    await b.publisher.start()
    await b.broker.until(() => b.times.length >= 1)
    b.broker.cut()
    await b.broker.until(() => b.times.length >= 2)
    assert.deepEqual(b.broker.subscribed, ['chargers/other/Connection', 'chargers/other/Connection'])
  })

  test('nobody who does not want it asks for it', async t => {
    const b = await site.bench(t)
    b.power(1)
    await b.publisher.start()
    await b.broker.until(() => b.unsettled().length === 0)
    assert.deepEqual(b.broker.subscribed, [])
  })

  test('publishing does not wait for it', async t => {
    const b = await bench(t)
    b.broker.subacks = false
    b.power(1)
    await b.publisher.start()
    await b.broker.until(() => b.unsettled().length === 0)
    assert.deepEqual(b.times, [])
  })

  test('garbage, news and other topics tell no time', async t => {
    const b = await bench(t)
    b.broker.connectionCopy = () => undefined
    await b.publisher.start()
    await b.broker.until(() => b.broker.subscribed.length >= 1)
    const tell = (payload: string, topic = wbConnection, retain = true) => b.broker.tell(topic, payload, retain)
    for (const payload of ['', '{', 'null', '[]', '"x"', '{}', '\0', envelope('away'), envelope(1), envelope(null)]) {
      tell(payload)
    }
    for (const time of ['"yesterday"', '1', 'null', '"2026-11-23"']) tell(`{"SamplingTime":${time},"Value":"online"}`)
    tell(envelope('online', startMs + 1), 'chargers/other/Connection')
    tell(envelope('online', startMs + 2), 'chargers/wb/PowerOutput')
    tell(envelope('online', startMs + 3), wbConnection, false)
    tell(envelope('online', startMs + 4))
    tell(envelope('online', startMs + 5))
    await b.broker.until(() => b.broker.unsubscribed.length >= 1)
    assert.deepEqual(
      b.times.map(([serverMs]) => serverMs),
      [startMs + 4]
    )
    assert.deepEqual(
      b.log.events().filter(event => event !== 'connected'),
      []
    )
  })
})

describe('the seed', () => {
  const retainAll = (b: Bench, charger = 'wb') => {
    b.broker.retained.set(`chargers/${charger}/TotalEnergyConsumption`, envelope(123_456.5, startMs - 1_000))
    b.broker.retained.set(`chargers/${charger}/SessionEnergy`, envelope(0))
    b.broker.retained.set(`chargers/${charger}/ConnectedVehicle`, envelope(''))
  }
  const whole: Retained = { totalWh: 123_456.5, totalTimeMs: startMs - 1_000, sessionWh: 0, card: '' }

  test('is what the server had, told before anything of that charger is published', async t => {
    const b = await bench(t, ['wb'])
    retainAll(b)
    b.broker.holdsRetained = true
    b.power(1, 2)
    await b.connect()
    await b.broker.until(() => b.broker.subscribed.includes(wbConnection) && b.times.length === 1)
    b.power(3)
    b.append({ PowerOutput: 9 }, 'other')
    await b.broker.until(() => b.broker.publishes >= 1)
    assert.deepEqual(
      b.broker.published.map(({ topic }) => topic),
      ['chargers/other/PowerOutput'],
      'others need not wait'
    )
    assert.deepEqual(b.seeds, [])
    b.broker.releaseRetained()
    await b.broker.until(() => b.unsettled().length === 0)
    assert.deepEqual(b.seeds, [['wb', whole]])
    assert.deepEqual(
      b.broker.published.slice(1).map(({ value, retain }) => [value, retain]),
      [
        [9, true],
        [1, false],
        [2, false],
        [3, false]
      ],
      'then its current state first, and what had been appended meanwhile'
    )
    await b.broker.until(() => b.broker.unsubscribed.length >= 4)
    assert.deepEqual([...b.broker.unsubscribed].sort(), [...b.broker.subscribed].sort())
  })

  test('what is appended after it is live', async t => {
    const b = await bench(t, ['wb'])
    retainAll(b)
    await b.connect()
    await b.broker.until(() => b.seeds.length === 1)
    b.power(7)
    await b.broker.until(() => b.unsettled().length === 0)
    assert.deepEqual(
      b.broker.published.map(({ value, retain, dup }) => [value, retain, dup]),
      [[7, true, false]]
    )
  })

  test('nothing retained: told as such, when the server has answered the question asked after it', async t => {
    const b = await bench(t, ['wb'], { askLimitsMs: { ...patient, grace: 5 } })
    b.power(1)
    await b.connect()
    await b.broker.until(() => b.unsettled().length === 0)
    assert.deepEqual(b.seeds, [['wb', {}]])
  })

  test('only some retained, and some garbage', async t => {
    const b = await bench(t, ['wb', 'other'], { askLimitsMs: { ...patient, grace: 200 } })
    b.broker.retained.set('chargers/wb/TotalEnergyConsumption', '{"SamplingTime":"2026-11-23T00:00:00.000Z"}')
    b.broker.retained.set('chargers/wb/SessionEnergy', 'garbage')
    b.broker.retained.set('chargers/other/TotalEnergyConsumption', envelope(5))
    b.broker.retained.set('chargers/other/ConnectedVehicle', envelope('A1'))
    await b.connect()
    await b.broker.until(() => b.seeds.length >= 2)
    assert.deepEqual(b.seeds, [
      ['wb', {}],
      ['other', { totalWh: 5, totalTimeMs: startMs, card: 'A1' }]
    ])
  })

  /** Each function spoils an answer and returns a function that heals it. */
  const failures: Record<string, (b: Bench) => () => void> = {
    'a server that does not answer SUBSCRIBE': b => {
      b.broker.subacks = false
      return () => {
        b.broker.subacks = true
      }
    },
    'a server that does not answer what was asked after it': b => {
      const { connectionCopy } = b.broker
      b.broker.connectionCopy = () => undefined
      return () => {
        b.broker.connectionCopy = connectionCopy
      }
    },
    'a server that refuses a topic': b => {
      b.broker.refuses.add('chargers/wb/SessionEnergy')
      return () => b.broker.refuses.clear()
    }
  }
  for (const [name, spoil] of Object.entries(failures)) {
    test(`${name}: nothing is decided nor published, and it is asked again`, async t => {
      const limits = { ...patient }
      const b = await bench(t, ['wb'], { askLimitsMs: limits })
      retainAll(b)
      const heal = spoil(b)
      // The limit is short only while no answer will come. After `heal` the edge has the full time.
      if (b.broker.refuses.size === 0) limits.answer = 20
      b.power(1)
      await b.connect()
      const asked = () => b.broker.subscribed.filter(topic => topic.endsWith('/SessionEnergy')).length
      await b.broker.until(() => asked() >= 3)
      assert.deepEqual([b.seeds, b.broker.publishes], [[], 0])
      assert.ok(b.log.events().includes('seed_unanswered'))
      assert.equal(b.broker.accepted, 1, 'on the same connection')
      if (b.broker.refuses.size > 0) assert.ok(b.times.length > 0, 'the time is told all the same')
      heal()
      limits.answer = patient.answer
      await b.broker.until(() => b.unsettled().length === 0)
      assert.deepEqual(b.seeds, [['wb', whole]])
    })
  }

  test('that cannot be written down is told again, and nothing is published before', async t => {
    let failures = 0
    const seeds: Retained[] = []
    const b: Bench = await bench(t, ['wb'], {
      onRetained: (_, retained) => {
        assert.equal(b.broker.publishes, 0)
        if (++failures <= 2) throw new Error('disk full')
        seeds.push(retained)
      }
    })
    retainAll(b)
    b.power(1)
    await b.connect()
    await b.broker.until(() => b.unsettled().length === 0)
    assert.deepEqual(seeds, [whole])
    assert.equal(b.log.events().filter(event => event === 'answer_unused').length, 2)
  })

  test('a connection that ends before all was heard decides nothing', async t => {
    const b = await bench(t, ['wb'])
    retainAll(b)
    b.broker.holdsRetained = true
    b.power(1)
    await b.connect()
    await b.broker.until(() => b.times.length === 1)
    b.broker.cut()
    await b.broker.until(() => b.times.length === 2)
    assert.deepEqual([b.seeds, b.broker.publishes], [[], 0])
    b.broker.releaseRetained()
    await b.broker.until(() => b.unsettled().length === 0)
    assert.deepEqual(b.seeds, [['wb', whole]])
  })

  test('is asked of chargers of the certificate alone, in packets that a server takes', async t => {
    const names = Array.from({ length: 500 }, (_, i) => `c${i}`.padEnd(64, 'x'))
    const b = await bench(t, [...names, 'foreign'], { mayPublish: charger => charger !== 'foreign' })
    for (const name of names) retainAll(b, name)
    await b.connect()
    await b.broker.until(() => b.seeds.length >= 500)
    assert.equal(b.seeds.length, 500)
    assert.ok(b.seeds.every(([, seed]) => seed.totalWh === whole.totalWh))
    assert.ok(!b.broker.subscribed.some(topic => topic.includes('foreign')))
    assert.ok(b.broker.packetBytesMax < 65_535, `${b.broker.packetBytesMax}`)
  })
})
