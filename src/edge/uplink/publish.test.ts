import assert from 'node:assert/strict'
import { join } from 'node:path'
import { before, describe, type TestContext, test } from 'node:test'
import type { ChargerValues } from '../../model/wire/chargerState.ts'
import { daysFromNow, type Keyed, TestAuthority } from '../testing/certificates.ts'
import { fillSpool } from '../testing/fillSpool.ts'
import { memoryFolder } from '../testing/folder.ts'
import { type Bench, Site, startMs } from '../testing/publisherBench.ts'
import { publishWindowMax, settleCountMax } from './limits.ts'
import type { PublisherOptions } from './publish.ts'
import type { StatusSource } from './status.ts'

let site: Site
before(async () => {
  site = await Site.make()
})
/** Fills the backlog with the samples of this number of polls while a charger charges. */
const fillBacklog = (path: string, polls: number): void =>
  fillSpool(
    path,
    polls,
    i => ({ TotalEnergyConsumption: i, SessionEnergy: i, PowerOutput: i % 11_000, ChargerStatus: 'Charging' }),
    { timeMs: i => startMs + i * 10_000 }
  )

const bench = (t: TestContext, options: Partial<PublisherOptions> = {}): Promise<Bench> => site.bench(t, options)

const poll: Partial<ChargerValues> = {
  OperationState: 'charging',
  TotalEnergyConsumption: 12_345,
  SessionEnergy: 345,
  PowerOutput: 11_000,
  MaximumOutputCurrent: 16,
  ConnectedVehicle: '04A2B3C4D5E680',
  ChargerStatus: 'Charging'
}

test('all values of one poll leave in one socket write, QoS 1, retained, in their envelope', async t => {
  const b = await bench(t)
  await b.connect()
  const { records, published } = b.broker
  b.append(poll)
  await b.broker.until(() => b.broker.publishes >= 7)
  assert.equal(b.broker.records - records, 1)
  const { ack: _, ...first } = published[0]!
  assert.deepEqual(first, {
    connection: 1,
    topic: 'chargers/wb/OperationState',
    name: 'OperationState',
    value: 'charging',
    timeMs: startMs + 1_000,
    retain: true,
    dup: false,
    qos: 1
  })
  assert.equal(new Set(b.broker.published.map(({ timeMs }) => timeMs)).size, 1)
  await b.broker.until(() => b.spool.unsettledCount() === 0)
  b.append({ PowerOutput: 1 })
  b.append({ PowerOutput: 2 })
  await b.broker.until(() => b.broker.publishes >= 9)
  assert.equal(b.broker.records - records, 2, 'two polls of one moment share a write')
})

test('CONNECT is clean, MQTT 3.1.1, with the CN as client id and a keepalive of 30 s', async t => {
  const { broker, publisher } = await bench(t)
  await publisher.start()
  await broker.until(() => broker.connects.length >= 1)
  const { clientId, clean, protocolVersion, keepalive, will } = broker.connects[0]!
  assert.deepEqual([clientId, clean, protocolVersion, keepalive, will], ['wb', true, 4, 30, undefined])
})

test('only a PUBACK of every message settles a sample', async t => {
  const b = await bench(t)
  b.broker.acks = false
  await b.connect()
  const seq = b.append(poll)
  await b.broker.until(() => b.broker.published.length >= 7)
  for (const { ack } of b.broker.published.slice(1)) ack()
  const [other] = b.power(1)
  await b.broker.until(() => b.broker.published.length >= 8)
  b.broker.published[7]!.ack()
  await b.broker.until(() => !b.unsettled().includes(other!))
  assert.deepEqual(b.unsettled(), [seq], 'six of seven are not enough, and the order of settling does not matter')
  b.broker.published[0]!.ack()
  await b.broker.until(() => b.unsettled().length === 0)
})

test('after a cut: the current state first, then the backlog oldest first, as duplicates', async t => {
  const b = await bench(t)
  b.broker.acks = false
  await b.connect()
  const seqs = b.power(1, 2, 3)
  await b.broker.until(() => b.broker.published.length >= 3)
  b.broker.published[1]!.ack()
  await b.broker.until(() => b.unsettled().length === 2)
  b.broker.cut()
  await b.broker.until(() => b.log.events().includes('disconnected'))
  b.power(4)
  await b.broker.until(() => b.broker.published.length >= 7)
  const again = b.broker.published.filter(({ connection }) => connection === 2)
  assert.deepEqual(
    again.map(({ value, retain, dup, timeMs }) => [value, retain, dup, (timeMs - startMs) / 1_000]),
    [
      [4, true, true, 4],
      [1, false, true, 1],
      [3, false, true, 3],
      [4, false, false, 4]
    ]
  )
  assert.deepEqual(b.unsettled(), [seqs[0], seqs[2], seqs[2]! + 1])
  again[0]!.ack()
  for (const message of again.slice(1)) message.ack()
  await b.broker.until(() => b.unsettled().length === 0)
})

test('what was acknowledged and put in line again is sent once more on a new connection', async t => {
  const b = await bench(t)
  await b.connect()
  const seqs = b.power(1, 2, 3)
  await b.broker.until(() => b.unsettled().length === 0)
  b.spool.replayStep(0, 0)
  assert.deepEqual(b.unsettled(), seqs)
  b.publisher.rewind()
  await b.broker.until(() => b.unsettled().length === 0)
  assert.deepEqual(
    b.broker.published
      .filter(({ connection }) => connection === 2)
      .map(({ value, retain, dup }) => [value, retain, dup]),
    [
      [3, true, true],
      [1, false, true],
      [2, false, true],
      [3, false, true]
    ]
  )
})

test('live values overtake the backlog, each in its own order', async t => {
  const b = await bench(t)
  const backlog = Array.from({ length: 2_000 }, (_, i) => i)
  b.power(...backlog)
  b.broker.acks = false
  await b.publisher.start()
  await b.broker.until(() => b.broker.published.length >= publishWindowMax)
  const live = b.power(10_001, 10_002, 10_003).length
  b.broker.acks = true
  for (const { ack } of b.broker.published) ack()
  await b.broker.until(() => b.broker.published.length >= 1 + backlog.length + live)
  const { published } = b.broker
  assert.deepEqual([published[0]!.value, published[0]!.retain], [1_999, true])
  assert.deepEqual(
    published.slice(publishWindowMax, publishWindowMax + 3).map(({ value }) => value),
    [10_001, 10_002, 10_003]
  )
  assert.ok(published.slice(publishWindowMax, publishWindowMax + 3).every(({ retain, dup }) => retain && !dup))
  const old = published.slice(1).filter(({ retain }) => !retain)
  assert.deepEqual(
    old.map(({ value }) => value),
    backlog
  )
  assert.ok(b.broker.windowMax <= publishWindowMax)
  await b.broker.until(() => b.unsettled().length === 0)
})

test('a parcel never exceeds what is left of the window', async t => {
  const b = await bench(t)
  for (let i = 0; i < 100; i++) b.append({ ...poll, PowerOutput: i })
  b.broker.acks = false
  await b.publisher.start()
  const whole = 7 * Math.floor(publishWindowMax / 7)
  await b.broker.until(() => b.broker.published.length >= whole)
  b.broker.published[0]!.ack()
  b.broker.published[1]!.ack()
  b.broker.published[2]!.ack()
  b.broker.published[3]!.ack()
  b.broker.published[4]!.ack()
  b.broker.published[5]!.ack()
  await b.broker.until(() => b.broker.published.length > whole)
  assert.ok(b.broker.windowMax <= publishWindowMax)
  assert.equal(b.broker.published.length, whole + 7)
})

test('samples of a charger that the certificate does not allow stay and are not sent', async t => {
  const b = await bench(t)
  const foreign = b.append({ PowerOutput: 1 }, 'not-mine')
  b.power(2)
  await b.publisher.start()
  await b.broker.until(() => b.unsettled().length === 1)
  assert.deepEqual(b.unsettled(), [foreign])
  assert.ok(b.broker.published.every(({ topic }) => topic === 'chargers/wb/PowerOutput'))
})

describe('a server that refuses is not hammered', () => {
  for (const code of [3, 5, 2]) {
    test(`CONNACK ${code}`, async t => {
      const b = await bench(t, { random: () => 1 })
      b.broker.connack = code
      b.power(1)
      const startedMs = performance.now()
      await b.publisher.start()
      await b.broker.until(() => b.broker.connects.length >= 6)
      // The pauses between six connections are 5 + 10 + 20 + 40 + 40 ms.
      assert.ok(performance.now() - startedMs >= 115 * 0.9)
      assert.equal(b.log.events().filter(event => event === 'connect_failed').length, 1, 'one line, not one a try')
      b.broker.connack = 0
      await b.broker.until(() => b.unsettled().length === 0)
      assert.deepEqual(b.log.events().filter(event => event === 'connected').length, 1)
    })
  }

  test('a server that accepts and then closes', async t => {
    const b = await bench(t, { random: () => 1 })
    b.broker.acks = false
    b.power(1)
    const startedMs = performance.now()
    await b.publisher.start()
    for (let connection = 1; connection <= 5; connection++) {
      await b.broker.until(() => b.broker.published.some(message => message.connection === connection))
      b.broker.cut()
    }
    assert.ok(performance.now() - startedMs >= (5 + 10 + 20 + 40) * 0.9)
  })

  test('a server that acknowledges what comes first, and closes at one certain message', async t => {
    const b = await bench(t, { random: () => 1 })
    b.power(...Array.from({ length: 50 }, (_, i) => i))
    b.broker.closesAt = ({ value, retain }) => value === 49 && !retain
    const startedMs = performance.now()
    await b.publisher.start()
    await b.broker.until(() => b.broker.connects.length >= 6)
    // The first pause is hashed from the name. Pauses of 10 + 20 + 40 + 40 ms follow, although every connection had
    // acknowledgements.
    assert.ok(performance.now() - startedMs >= 110 * 0.9)
    assert.equal(b.unsettled().length, 1)
  })

  test('a connection that lived for a while makes the pause small again, and nothing else does', async t => {
    const pauses = async (provenAfterMs: number) => {
      const b = await bench(t, { random: () => 1, provenAfterMs, reconnectDelayMs: { min: 10, max: 40 } })
      await b.publisher.start()
      for (let connection = 1; connection <= 4; connection++) {
        await b.broker.until(() => b.log.events().filter(event => event === 'connected').length >= connection)
        const connectedMs = performance.now()
        await b.broker.until(() => performance.now() - connectedMs >= 50)
        b.broker.cut()
      }
      await b.broker.until(() => b.log.events().filter(event => event === 'disconnected').length >= 4)
      return b.log.lines.filter(({ event }) => event === 'disconnected').map(({ retryInMs }) => retryInMs)
    }
    const hashed = 9 // 0.23 of 40 ms, the share of the name wb
    assert.deepEqual(await pauses(60_000), [hashed, 20, 40, 40])
    assert.deepEqual(await pauses(1), [hashed, hashed, hashed, hashed])
  })

  test('a server that denies this client: one line that says what to do', async t => {
    const b = await bench(t)
    b.broker.connack = 5
    await b.publisher.start()
    await b.broker.until(() => b.broker.connects.length >= 3)
    const [line, ...more] = b.log.lines
    assert.deepEqual([line?.event, line?.reason, more], ['connect_failed', 'CONNACK 5', []])
    assert.match(String(line?.whatToDo), /certs issue/)
  })
})

test('a server that acknowledges nothing is left, although it answers pings', async t => {
  const b = await bench(t, { ackTimeoutMs: 50 })
  b.broker.acks = false
  b.power(1)
  await b.publisher.start()
  await b.broker.until(() => b.broker.connects.length >= 2)
  assert.equal(b.log.lines.find(({ event }) => event === 'disconnected')?.reason, 'no acknowledgement in time')
  b.broker.acks = true
  b.broker.cut()
  await b.broker.until(() => b.unsettled().length === 0)
})

test('one message without acknowledgement ends the connection, although all others are acknowledged', async t => {
  const b = await bench(t, { ackTimeoutMs: 100 })
  b.broker.acks = false
  await b.connect()
  b.power(0)
  await b.broker.until(() => b.broker.published.length >= 1)
  b.broker.acks = true
  while (b.broker.connects.length < 2) {
    const { publishes } = b.broker
    b.power(1)
    await b.broker.until(() => b.broker.publishes > publishes || b.broker.connects.length >= 2)
  }
  assert.equal(b.log.lines.find(({ event }) => event === 'disconnected')?.reason, 'no acknowledgement in time')
  await b.broker.until(() => b.unsettled().length === 0)
})

test('the next connection resumes the TLS session', async t => {
  const b = await bench(t)
  await b.publisher.start()
  b.power(1)
  await b.broker.until(() => b.unsettled().length === 0)
  b.broker.cut()
  await b.broker.until(() => b.broker.connects.length >= 2)
  assert.deepEqual(b.broker.resumed, [false, true])
})

describe('nothing is sent to a server that is not the one', () => {
  const impostors: Record<string, () => Promise<Keyed>> = {
    'signed by another CA': async () => (await TestAuthority.make()).issue('server', { dns: ['localhost'] }),
    'of another name': () => site.authority.issue('server', { dns: ['example.org'] }),
    'with an expired certificate': () =>
      site.authority.issue('server', { dns: ['localhost'], notBefore: daysFromNow(-3), notAfter: daysFromNow(-1) })
  }
  const reasons: Record<string, RegExp> = {
    'signed by another CA': /UNABLE_TO_VERIFY|SIGNATURE|SELF_SIGNED/,
    'of another name': /ERR_TLS_CERT_ALTNAME_INVALID/,
    'with an expired certificate': /CERT_HAS_EXPIRED/
  }
  for (const [name, make] of Object.entries(impostors)) {
    test(name, async t => {
      const broker = await site.broker(await make())
      const b = site.benchOf(t, broker)
      b.power(1)
      await b.publisher.start()
      await broker.until(() => broker.accepted >= 3)
      assert.equal(broker.publishes, 0)
      assert.match(String(b.log.lines[0]?.reason), reasons[name]!)
      assert.equal(b.unsettled().length, 1)
    })
  }
})

describe('after a kill, what may have been in flight carries DUP', () => {
  /**
   * Spools and sends samples, and leaves the disk as a killed process does. Returns the DUP marks of the samples that
   * the next process sends, by time.
   */
  async function killed(t: TestContext, polls: number): Promise<Map<unknown, boolean>> {
    const path = join(memoryFolder(t), 'spool.sqlite')
    fillBacklog(path, polls)
    const broker = await site.broker()
    const b = site.benchOf(t, broker, {}, path)
    b.append({ PowerOutput: -1 })
    await b.publisher.start()
    await broker.until(() => b.spool.unsettledCount() === 0)
    return new Map(broker.published.filter(({ retain }) => !retain).map(({ timeMs, dup }) => [timeMs, dup]))
  }

  test('all of a short backlog, and nothing that was sampled since', async t => {
    const marks = await killed(t, 200)
    const sinceMs = startMs + 1_000
    assert.equal(marks.get(sinceMs), false)
    assert.deepEqual(
      new Set([...marks].filter(([timeMs]) => timeMs !== sinceMs).map(([, dup]) => dup)),
      new Set([true])
    )
  })

  test('of a long one the oldest and the newest: the rest was never sent, and is stored faster unmarked', async t => {
    const marks = [...(await killed(t, 3_500))].filter(([timeMs]) => timeMs !== startMs + 1_000)
    const runs = marks.map(([, dup]) => dup).filter((dup, i, all) => dup !== all[i - 1])
    assert.deepEqual(runs, [true, false, true])
    const marked = marks.filter(([, dup]) => dup).length
    assert.equal(marked, 2 * (publishWindowMax + settleCountMax))
  })
})

describe('EdgeStatus', () => {
  const status = (b: () => Bench, chargers = ['wb']): StatusSource => ({
    version: '1.2.3',
    certificateEndsMs: startMs,
    chargers,
    nowMs: Date.now,
    spool: () => ({ usedBytes: b().spool.usedBytes(), unsettledCount: b().spool.unsettledCount(), dropped: 0 })
  })

  test('comes at every connect, after the current state and before the rest, and settles nothing', async t => {
    const b: Bench = await bench(t, { status: status(() => b) })
    const [seq] = b.power(1)
    b.broker.acks = false
    for (let connection = 1; connection <= 2; connection++) {
      if (connection === 1) await b.publisher.start()
      else b.broker.cut()
      await b.broker.until(() => b.broker.order.at(-1) === `${connection} PowerOutput backlog`)
    }
    const once = (connection: number) => [
      `${connection} PowerOutput retained`,
      `${connection} EdgeStatus retained`,
      `${connection} PowerOutput backlog`
    ]
    assert.deepEqual(b.broker.order, [...once(1), ...once(2)])
    const [first] = b.broker.statuses
    assert.deepEqual([first?.topic, first?.qos, first?.dup], ['chargers/wb/EdgeStatus', 1, false])
    assert.deepEqual([first?.status.Version, first?.status.UnsentSamples], ['1.2.3', 1])
    assert.deepEqual(b.unsettled(), [seq])
  })

  test('shares the window with the values', async t => {
    const chargers = Array.from({ length: 400 }, (_, i) => `c${i}`)
    const b: Bench = await bench(t, { status: status(() => b, chargers) })
    b.power(...Array.from({ length: 400 }, (_, i) => i))
    b.broker.acks = false
    await b.publisher.start()
    await b.broker.until(() => b.broker.order.length >= publishWindowMax)
    for (const { ack } of b.broker.published) ack()
    await b.broker.until(() => b.broker.published.length > publishWindowMax - chargers.length)
    assert.equal(b.broker.windowMax, publishWindowMax)
  })
})

test('stop lets what is spooled leave, says goodbye, and settles it on disk', async t => {
  const b = await bench(t)
  await b.connect()
  b.power(...Array.from({ length: 700 }, (_, i) => i))
  await b.publisher.stop(5_000)
  assert.equal(b.broker.publishes, 700)
  assert.equal(b.unsettled().length, 0)
  await b.broker.until(() => b.broker.goodbyes === 1)
  assert.deepEqual(b.log.lines.at(-1)?.reason, 'stopped')
})

test('stop ends a connection that has no CONNACK yet', async t => {
  const b = await bench(t)
  b.broker.connack = 'silent'
  await b.publisher.start()
  await b.broker.until(() => b.broker.connects.length >= 1)
  // If `stop` waited for its deadline, the test would run out of time.
  await b.publisher.stop(3_600_000)
})

test('stop does not wait for a server that acknowledges nothing, nor for one that is away', async t => {
  const b = await bench(t)
  b.broker.acks = false
  await b.connect()
  b.power(1)
  await b.broker.until(() => b.broker.publishes >= 1)
  await b.publisher.stop(20)
  assert.deepEqual(
    b.spool.page(0, 9, 9).map(({ sentBefore }) => sentBefore),
    [true]
  )
  const away = await bench(t)
  await away.broker.stop()
  await away.publisher.start()
  away.power(1)
  await away.publisher.stop(20)
  away.broker.stop = async () => {}
  assert.equal(away.unsettled().length, 1)
})

test('a long backlog drains through the window, page by page', async t => {
  const polls = 5_000
  const path = join(memoryFolder(t), 'spool.sqlite')
  fillBacklog(path, polls)
  const broker = await site.broker()
  broker.keeps = false
  const b = site.benchOf(t, broker, {}, path)
  let largestPage = 0
  const { page } = b.spool
  b.spool.page = (...args) => {
    const rows = page.apply(b.spool, args)
    largestPage = Math.max(largestPage, rows.length)
    return rows
  }
  const startedMs = performance.now()
  await b.publisher.start()
  await broker.until(() => broker.publishes >= polls * 4)
  const seconds = (performance.now() - startedMs) / 1_000
  b.spool.page = page
  await broker.until(() => b.spool.unsettledCount() === 0)
  assert.equal(broker.publishes, polls * 4)
  assert.ok(broker.windowMax <= publishWindowMax)
  assert.ok(largestPage <= 128)
  const rate = Math.round((polls * 4) / seconds)
  t.diagnostic(`${rate} values/s, ${(broker.publishes / broker.records).toFixed(1)} values per write`)
})
