// Certificates that the listener must refuse, on full and on resumed handshakes, with TLS 1.2 and 1.3. Each attempt
// acts as the victim, as if the listener had let it in. A test judges the attempt by what happens to the victim, and by
// the names that the listener let in.

import assert from 'node:assert/strict'
import { createPrivateKey, randomBytes, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { type ConnectionOptions, connect, createServer, type Server, type TlsOptions } from 'node:tls'
import { Listener } from '../src/broker/listener/listener.ts'
import * as packets from '../src/broker/testing/packets.ts'
import { makeCrl, makeCrlEntry } from '../src/pki/authority/crl.ts'
import { authorityFiles } from '../src/pki/files.ts'
import { Trust } from '../src/pki/revocation/trust.ts'
import {
  clientAuth,
  cn,
  makeIntermediate,
  makeOdd,
  makeRoot,
  type Odd,
  type OddOptions,
  type Signer,
  serverAuth,
  signerOf
} from '../src/pki/testing/oddCertificates.ts'
import type { RunningServer } from '../src/server/server.ts'
import { envelope, Harness } from './harness.ts'
import type { WireClient } from './wire.ts'

const dayMs = 86_400_000
const victim = 'victim'
const versions = ['TLSv1.2', 'TLSv1.3'] as const
const harness = Harness.use()

/** A certificate that TLS sends, with the certificates that vouch for it. */
interface Attempt {
  readonly what: string
  /** Undefined: the client sends no certificate. */
  readonly odd: Odd | undefined
}

async function attempts(ours: Signer): Promise<Attempt[]> {
  const of = (options: OddOptions): Promise<Odd> => makeOdd(ours, victim, options)
  const [other, twin] = [await makeRoot('other CA'), await makeRoot(nameOf(ours))]
  const self = await makeRoot(victim)
  const device = await makeOdd(ours, victim)
  const asCa: Signer = { ...device, subject: ours.subject, keys: (await makeIntermediate(ours, 'x')).keys }
  const between = await makeIntermediate(ours, 'between')
  const ended = await makeIntermediate(ours, 'ended', { notAfterMs: Date.now() - dayMs })
  const foreign = await makeIntermediate(other, 'foreign')
  const list: [string, Promise<Odd> | Odd | undefined][] = [
    ['none', undefined],
    ['of another CA', makeOdd(other, victim)],
    ['of another CA, which it sends along', chain(makeOdd(other, victim), other)],
    ['of a CA with the name of ours', makeOdd(twin, victim)],
    ['self-signed', self],
    ['signed by the key of something else in the name of our CA', makeOdd(asCa, victim)],
    ['signed by a device', chain(signedByDevice(device), device)],
    ['expired', of({ notAfterMs: Date.now() - 1_000 })],
    ['not yet valid', of({ notBeforeMs: Date.now() + dayMs })],
    ['for servers', of({ usages: [serverAuth] })],
    ['for any purpose', of({ usages: ['2.5.29.37.0'] })],
    ['for nothing', of({ usages: [] })],
    ['that of an intermediate CA', between],
    ['that of a CA for clients', of({ isCa: true, usages: [clientAuth] })],
    ['of an intermediate that it does not send', makeOdd(between, victim)],
    ['of an intermediate that it sends, and that the server does not know', chain(makeOdd(between, victim), between)],
    ['of an intermediate that has ended', chain(makeOdd(ended, victim), ended)],
    ['of an intermediate of another CA', chain(makeOdd(foreign, victim), foreign)],
    ['two CNs', of({ subject: cn('thief', victim) })],
    ['the same CN twice', of({ subject: cn(victim, victim) })],
    ['two CNs in one part', of({ subject: [{ CN: [{ utf8String: victim }, { utf8String: 'thief' }] }] })],
    ['no CN', of({ subject: [{ O: [victim] }] })],
    ['no name at all', of({ subject: [] })],
    ['an empty CN', of({ subject: cn('') })],
    ['65 characters', of({ subject: cn('x'.repeat(65)) })],
    ['a CN of 300 characters', of({ subject: cn(`${victim}${'x'.repeat(294)}`) })],
    ...['/', '+', '#', '\0', '\n', ':', ' ', '$', '\u00e9'].flatMap((sign): [string, Promise<Odd>][] => [
      [`${JSON.stringify(sign)} in the CN`, of({ subject: cn(`${victim}${sign}x`) })],
      [`${JSON.stringify(sign)} as the CN`, of({ subject: cn(sign) })]
    ]),
    ['a CN that goes on as another name', of({ subject: cn(`thief\nCN=${victim}`) })],
    ['an unknown role', of({ subject: [...cn(victim), { OU: ['admin'] }] })],
    ['two roles', of({ subject: [...cn(victim), { OU: ['edge'] }, { OU: ['operator'] }] })],
    ['a charger that is no name', of({ chargers: ['#'] })],
    ['a good charger and a bad one', of({ chargers: [victim, '+/x'] })]
  ]
  return Promise.all(list.map(async ([what, odd]) => ({ what, odd: await odd })))
}

async function signedByDevice(device: Odd): Promise<Odd> {
  return makeOdd(await signerOf(device.pem, device.keyPem), victim)
}

const nameOf = ({ pem }: Signer): string => new X509Certificate(pem).subject.replace(/^CN=/, '')

async function chain(leaf: Promise<Odd>, ...above: readonly { pem: string }[]): Promise<Odd> {
  const { pem, keyPem } = await leaf
  return { pem: [pem, ...above.map(signer => signer.pem)].join('\n'), keyPem }
}

const ownOf = (odd: Odd | undefined): ConnectionOptions => (odd ? { cert: odd.pem, key: odd.keyPem } : {})
const fileOf = (name: string): string => readFileSync(join(harness.certs, name), 'utf8')

async function oursOf(): Promise<Signer> {
  const { ca, caKey } = authorityFiles(harness.certs)
  return signerOf(readFileSync(ca, 'utf8'), readFileSync(caKey, 'utf8'))
}

/** Connects, sends hostile packets, and waits until the connection is closed. Returns the bytes that it received. */
async function attack(port: number, options: ConnectionOptions): Promise<Buffer> {
  const socket = connect({ host: '127.0.0.1', port, ca: fileOf('ca.pem'), ...options })
  const got: Buffer[] = []
  socket.on('error', () => {})
  socket.on('data', chunk => got.push(chunk))
  const worst = [
    packets.connect({ clientId: victim }),
    packets.publish({ topic: `chargers/${victim}/PowerOutput`, payload: envelope(666), retain: true }),
    packets.subscribe('chargers/#')
  ]
  socket.write(Buffer.concat(worst))
  // A client that is let in stays connected, so the wait ends after 15 s at the latest.
  const patience = setTimeout(() => socket.destroy(), 15_000)
  await new Promise(resolve => socket.once('close', resolve))
  clearTimeout(patience)
  return Buffer.concat(got)
}

describe('full handshakes with a server', () => {
  let server: RunningServer
  let url: string
  let good: WireClient
  let watcher: WireClient

  before(async () => {
    url = await harness.database()
    await harness.device(victim)
    await harness.device('watcher', 'consumer')
    server = await harness.server(url)
    good = await harness.client(server, victim)
    watcher = await harness.client(server, 'watcher')
    await watcher.subscribe('chargers/#')
    await good.acked(good.publish(`chargers/${victim}/PowerOutput`, envelope(1)))
  })

  it('nothing happens to the victim, and nobody gets a word of MQTT', async () => {
    const all = await attempts(await oursOf())
    assert.ok(all.length >= 45, String(all.length))
    for (const { what, odd } of all) {
      for (const version of versions) {
        const got = await attack(server.mqttPorts[0]!, { ...ownOf(odd), minVersion: version, maxVersion: version })
        assert.equal(got.length, 0, `${what} (${version}) got ${got.toString('hex')}`)
        assert.equal(good.closed, false, `${what} (${version}) ended the victim's connection`)
      }
    }
    await good.acked(good.publish(`chargers/${victim}/PowerOutput`, envelope(2)))
    await watcher.packet(packet => packet.cmd === 'publish' && packet.payload.toString().includes('"Value":2'))
    assert.doesNotMatch(JSON.stringify(watcher.delivered()), /666/)
    const db = await harness.session(url)
    const { rows } = await db.query('SELECT power_output::int AS value FROM ev_readings ORDER BY time')
    assert.deepEqual(rows, [{ value: 1 }, { value: 2 }])
    assert.deepEqual((await db.query('SELECT FROM rejected_messages')).rows, [])
  })

  it('a device of an intermediate that stands beside the CA is let in, whether it sends it along or not', async () => {
    const between = await makeIntermediate(await oursOf(), 'workshop')
    const both = join(harness.dir, 'both-ca.pem')
    writeFileSync(both, fileOf('ca.pem') + between.pem)
    const other = await harness.server(url, { tls: { ...harness.config(url).tls, ca: both } })
    const alone = await makeOdd(between, victim)
    for (const odd of [alone, await chain(Promise.resolve(alone), between)]) {
      for (const version of versions) {
        const tls = { ...ownOf(odd), minVersion: version, maxVersion: version }
        const socket = connect({ host: '127.0.0.1', port: other.mqttPorts[0]!, ca: fileOf('ca.pem'), ...tls })
        socket.write(packets.connect({ clientId: `${victim}:x` }))
        const [connack] = (await once(socket, 'data')) as [Buffer]
        assert.deepEqual([...connack], [0x20, 2, 0, 0], version)
        socket.destroy()
      }
    }
    await other.stop()
  })
})

describe('resumed handshakes', () => {
  const ticketKeys = randomBytes(48)
  /**
   * A server that accepts every client and issues tickets that the listener accepts. Such a ticket stands for a former
   * certificate of the client.
   */
  let lenient: Server
  let listener: Listener
  let trust: Trust
  let nowMs = Date.now()
  const accepted: string[] = []
  const denied: string[] = []
  const outcomes: string[] = []

  const trustOf = (caPem: string, crlPem: string): Trust =>
    Trust.parse({ caPem, crlPem, paths: { ca: 'ca', crl: 'crl' }, nowMs, crlStrict: false })

  before(async () => {
    const tls = {
      ca: Buffer.from(fileOf('ca.pem')),
      cert: Buffer.from(fileOf('server.pem')),
      key: Buffer.from(fileOf('server.key'))
    }
    trust = trustOf(fileOf('ca.pem'), fileOf('crl.pem'))
    lenient = createServer({
      ...tls,
      ticketKeys,
      sessionIdContext: 'chargelift',
      requestCert: true,
      rejectUnauthorized: false,
      minVersion: 'TLSv1.2'
    })
    lenient.on('secureConnection', socket =>
      socket
        .on('error', () => {})
        .resume()
        .end('hello')
    )
    lenient.listen(0, '127.0.0.1')
    await once(lenient, 'listening')
    listener = await Listener.open({
      host: '127.0.0.1',
      ports: [0],
      tls,
      ticketKeys: () => ticketKeys,
      now: () => nowMs,
      judge: (certificate, anew) => trust.judge(certificate, nowMs, anew),
      accept: (socket, { name }) => {
        accepted.push(name)
        // The socket must be read. An unread socket never sees its end.
        socket
          .on('error', () => {})
          .resume()
          .end('hello')
      },
      report: event => {
        if (event.event === 'denied') denied.push(event.rule)
        if (event.event === 'handshake') outcomes.push(event.outcome)
      }
    })
  })
  after(async () => {
    lenient.close()
    await listener.close()
  })

  /** Returns a ticket from a server that trusts these CAs besides ours. */
  async function ticketFor(odd: Odd, version: (typeof versions)[number], ...more: readonly Signer[]): Promise<Buffer> {
    const ca = [fileOf('ca.pem'), ...more.map(({ pem }) => pem)]
    lenient.setSecureContext({
      ca,
      cert: fileOf('server.pem'),
      key: fileOf('server.key'),
      ticketKeys,
      sessionIdContext: 'chargelift'
    } as TlsOptions)
    const socket = connect({
      host: '127.0.0.1',
      port: (lenient.address() as AddressInfo).port,
      ca: fileOf('ca.pem'),
      ...ownOf(odd),
      minVersion: version,
      maxVersion: version
    })
    socket.on('error', () => {})
    let session: Buffer | undefined
    socket.on('session', ticket => {
      session = ticket
    })
    socket.resume()
    await new Promise(resolve => socket.once('close', resolve))
    assert.ok(session, 'no ticket to resume with')
    return session
  }

  /** Resumes with the ticket alone. Returns true if the listener let the client in. */
  async function resume(odd: Odd, session: Buffer, version: (typeof versions)[number]): Promise<boolean> {
    const before = accepted.length
    await attack(listener.ports[0]!, { ...ownOf(odd), session, minVersion: version, maxVersion: version })
    return accepted.length > before
  }

  it('a good certificate is let in with the ticket of before: what follows can fail', async () => {
    const odd = await makeOdd(await oursOf(), 'good')
    for (const version of versions) {
      assert.equal(await resume(odd, await ticketFor(odd, version), version), true, version)
      assert.equal(outcomes.at(-1), 'resumed')
    }
  })

  it('no certificate of the table is let in', async () => {
    const all = await attempts(await oursOf())
    for (const { what, odd } of all) {
      if (odd === undefined) continue
      for (const version of versions) {
        assert.equal(await resume(odd, await ticketFor(odd, version), version), false, `${what} (${version})`)
      }
    }
    assert.ok(denied.length >= 2 * (all.length - 1), 'some were not even refused by name')
  })

  it('who ends while away is refused, by its own end and by that of its CA', async () => {
    const root = await makeRoot('short', { notAfterMs: nowMs + 2 * dayMs })
    const [leaf, ofShort] = [
      await makeOdd(await oursOf(), 'leaf', { notAfterMs: nowMs + dayMs }),
      await makeOdd(root, 'leaf2')
    ]
    const before = { trust, nowMs }
    trust = trustOf(fileOf('ca.pem') + root.pem, fileOf('crl.pem'))
    for (const version of versions) {
      for (const [odd, ms] of [
        [leaf, dayMs],
        [ofShort, 2 * dayMs]
      ] as const) {
        const ticket = await ticketFor(odd, version, root)
        assert.equal(await resume(odd, ticket, version), true, 'before')
        nowMs += ms + 1_000
        assert.equal(await resume(odd, ticket, version), false, version)
        nowMs = before.nowMs
      }
    }
    trust = before.trust
  })

  it('who is revoked while away is refused, and so is everybody below a revoked intermediate', async () => {
    const ours = await oursOf()
    const between = await makeIntermediate(ours, 'revoked later')
    const [leaf, below] = [await makeOdd(ours, 'leaf'), await makeOdd(between, 'below')]
    const [former, caPem] = [trust, fileOf('ca.pem') + between.pem]
    for (const version of versions) {
      trust = trustOf(caPem, fileOf('crl.pem'))
      const tickets = [await ticketFor(leaf, version), await ticketFor(below, version, between)] as const
      const enter = async () => [await resume(leaf, tickets[0], version), await resume(below, tickets[1], version)]
      assert.deepEqual(await enter(), [true, true])
      trust = trustOf(caPem, listOf(leaf, between))
      assert.deepEqual(await enter(), [false, false])
      assert.deepEqual(denied.slice(-2), ['revoked', 'revoked'])
    }
    trust = former
  })

  function listOf(...odds: readonly { pem: string }[]): string {
    const issuer = { certificate: new X509Certificate(fileOf('ca.pem')), key: createPrivateKey(fileOf('ca.key')) }
    const entries = odds.map(({ pem }) => makeCrlEntry(new X509Certificate(pem).serialNumber, Date.now()))
    return makeCrl(issuer, entries, Date.now() + dayMs, Date.now())
  }

  it('whose CA is gone is refused even by its old ticket', async () => {
    const root = await makeRoot('gone')
    const odd = await makeOdd(root, 'leaf')
    const before = trust
    for (const version of versions) {
      const ticket = await ticketFor(odd, version, root)
      assert.equal(await resume(odd, ticket, version), false)
      assert.equal(denied.at(-1), 'unknown_ca')
      trust = trustOf(fileOf('ca.pem') + root.pem, fileOf('crl.pem'))
      assert.equal(await resume(odd, ticket, version), true, version)
      trust = before
      assert.equal(await resume(odd, ticket, version), false, version)
    }
  })
})
