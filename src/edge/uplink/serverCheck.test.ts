import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { before, describe, test } from 'node:test'
import { daysFromNow, type Keyed, type LeafOptions, TestAuthority } from '../testing/certificates.ts'
import { Site } from '../testing/publisherBench.ts'
import { builtMs, type ClockState } from '../time/clock.ts'
import { acceptsEarly } from './serverCheck.ts'

let site: Site
before(async () => {
  site = await Site.make()
})

/** A clock whose time is unknown, unless a time is given. */
const clock = (state: ClockState = 'unset', nowMs?: number) => ({
  state,
  isConfirmed: nowMs !== undefined,
  now: () => nowMs
})
const early: LeafOptions = {
  dns: ['localhost'],
  ips: ['127.0.0.1'],
  usage: 'serverAuth',
  notBefore: daysFromNow(1)
}
const judges = (time = clock(), host = 'localhost') => acceptsEarly(host, site.authority.ca, time)

describe('over TLS, a certificate of the future', () => {
  const connects = async (server: Keyed, time = clock()) => {
    const broker = await site.broker(server)
    return { broker, options: { acceptsEarly: () => judges(time) } }
  }

  test('is taken where the clock is not known: the server can tell the time', async t => {
    const { broker, options } = await connects(await site.authority.issue('server', early))
    const b = site.benchOf(t, broker, options)
    b.power(1)
    await b.publisher.start()
    await broker.until(() => b.unsettled().length === 0)
    broker.cut()
    b.power(2)
    await broker.until(() => b.unsettled().length === 0)
    assert.deepEqual(broker.resumed, [false, false], 'its session is not kept: it would keep the fault')
  })

  const impostors: Record<string, () => Promise<Keyed>> = {
    'of another CA of the same name': async () => (await TestAuthority.make()).issue('server', early),
    'of another host': () => site.authority.issue('server', { ...early, dns: ['example.org'] }),
    'of a device': () => site.authority.issue('localhost', { ...early, usage: 'clientAuth' }),
    'whose use nobody has named': async () => {
      const { usage: _, ...rest } = early
      return site.authority.issue('server', rest)
    }
  }
  for (const [name, make] of Object.entries(impostors)) {
    test(`is refused ${name}`, async t => {
      const { broker, options } = await connects(await make())
      const b = site.benchOf(t, broker, options)
      b.power(1)
      await b.publisher.start()
      await broker.until(() => broker.accepted >= 3)
      assert.equal(broker.publishes, 0)
      assert.equal(b.log.lines[0]?.reason, 'CERT_NOT_YET_VALID', 'which is all that OpenSSL tells')
    })
  }

  test('is refused where the clock is right, and one that has expired always', async t => {
    const expired = { ...early, notBefore: daysFromNow(-3), notAfter: daysFromNow(-1) }
    const scenes = [
      ['CERT_NOT_YET_VALID', await connects(await site.authority.issue('server', early), clock('synchronised', 0))],
      ['CERT_HAS_EXPIRED', await connects(await site.authority.issue('server', expired))]
    ] as const
    for (const [reason, { broker, options }] of scenes) {
      const b = site.benchOf(t, broker, options)
      b.power(1)
      await b.publisher.start()
      await broker.until(() => broker.accepted >= 2)
      assert.deepEqual([b.log.lines[0]?.reason, broker.publishes], [reason, 0])
    }
  })
})

describe('a certificate is looked at as a whole', () => {
  const issued = async (options: LeafOptions, authority = site.authority) =>
    new X509Certificate((await authority.issue('server', options)).cert)

  test('the host is a name or an address of its list, never its CN', async () => {
    const certificate = await issued(early)
    assert.deepEqual(
      ['localhost', '127.0.0.1', 'server', '127.0.0.2'].map(host => judges(clock(), host)!(certificate)),
      [true, true, false, false]
    )
  })

  test('what ended before this software was made has expired, whatever the clock says', async () => {
    const past = { ...early, notBefore: new Date(builtMs - 2), notAfter: new Date(builtMs - 1) }
    assert.equal(judges()!(await issued(past)), false)
  })

  test('where the server has told the time, that is the time', async () => {
    const certificate = await issued(early)
    const at = (days: number) => judges(clock('server', daysFromNow(days).getTime()))!(certificate)
    assert.deepEqual([0, 2, 6].map(at), [false, true, false])
  })

  test('one that may sign others is no server', () => {
    assert.equal(judges()!(new X509Certificate(site.authority.ca)), false)
  })
})
