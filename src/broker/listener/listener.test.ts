import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { connect as connectTcp, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, type TestContext, test } from 'node:test'
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls'
import { DeniedError } from '../../model/errors.ts'
import type { Identity } from '../../model/server/admission.ts'
import { initAuthority } from '../../pki/authority/authority.ts'
import { issueDevice } from '../../pki/authority/devices.ts'
import { Listener, type ListenerOptions } from './listener.ts'

const dir = mkdtempSync(join(tmpdir(), 'chargelift-listener-'))
const file = (name: string): Buffer => readFileSync(join(dir, name))
const accepted: Identity[] = []
const denials: string[] = []
const outcomes: string[] = []
let revoked: string | undefined
let listener: Listener

before(async () => {
  await initAuthority({ dir })
  await issueDevice({ dir, name: 'c1' })
  listener = await Listener.open({
    host: '127.0.0.1',
    ports: [0, 0],
    tls: { ca: file('ca.pem'), cert: file('server.pem'), key: file('server.key') },
    judge: ({ serialNumber }) => {
      if (serialNumber === revoked) throw new DeniedError('revoked', 'it is')
    },
    accept: (socket, identity) => {
      accepted.push(identity)
      socket.on('error', () => {})
      socket.end('hello')
    },
    report: event => {
      if (event.event === 'denied') denials.push(event.rule)
      if (event.event === 'handshake') outcomes.push(event.outcome)
    }
  })
})

after(async () => {
  await listener.close()
  rmSync(dir, { recursive: true })
})

/**
 * Connects with the certificate of c1 and waits until the server closes. Returns the session to resume with, and
 * whether this one was resumed.
 */
async function visit(options: ConnectionOptions = {}): Promise<{ session: Buffer | undefined; resumed: boolean }> {
  const own = { ca: file('ca.pem'), cert: file('devices/c1.pem'), key: file('devices/c1.key') }
  const socket: TLSSocket = connect({ host: '127.0.0.1', port: listener.ports[0]!, ...own, ...options })
  let session: Buffer | undefined
  socket.on('session', ticket => {
    session = ticket
  })
  socket.on('error', () => {})
  socket.resume()
  let resumed = false
  socket.on('secureConnect', () => {
    resumed = socket.isSessionReused()
  })
  await new Promise(resolve => socket.on('close', resolve))
  return { session, resumed }
}

for (const maxVersion of ['TLSv1.3', 'TLSv1.2'] as const) {
  test(`a resumed session keeps its identity, and is refused once its certificate is revoked (${maxVersion})`, async () => {
    revoked = undefined
    accepted.length = 0
    denials.length = 0
    outcomes.length = 0
    const { session, resumed } = await visit({ maxVersion })
    assert.ok(session)
    assert.equal(resumed, false)
    assert.equal((await visit({ maxVersion, session })).resumed, true)
    assert.deepEqual(
      accepted.map(({ name, role, chargers }) => ({ name, role, chargers })),
      Array(2).fill({ name: 'c1', role: 'edge', chargers: ['c1'] })
    )
    revoked = accepted[0]!.serial
    assert.equal((await visit({ maxVersion, session })).resumed, true)
    assert.deepEqual([accepted.length, denials], [2, ['revoked']])
    assert.deepEqual(outcomes, ['full', 'resumed', 'refused'])
  })
}

test('without a certificate, nobody is accepted', async () => {
  denials.length = 0
  outcomes.length = 0
  const count = accepted.length
  await visit({ cert: undefined as never, key: undefined as never })
  assert.deepEqual([accepted.length, denials, outcomes], [count, ['no_certificate'], ['failed']])
})

test('a port that is taken rejects, and the ports before it are let go', async () => {
  const options = { host: '127.0.0.1', tls: { ca: file('ca.pem'), cert: file('server.pem'), key: file('server.key') } }
  const rest = { judge: () => {}, accept: () => {}, report: () => {} }
  await assert.rejects(Listener.open({ ...options, ...rest, ports: [0, listener.ports[1]!] }), { code: 'EADDRINUSE' })
})

/** Opens a separate listener. Its connections stay open. */
async function opened(t: TestContext, options: Partial<ListenerOptions> = {}) {
  const events: string[] = []
  const own = await Listener.open({
    host: '127.0.0.1',
    ports: [0],
    tls: { ca: file('ca.pem'), cert: file('server.pem'), key: file('server.key') },
    judge: () => {},
    accept: socket => {
      socket.on('error', () => {})
      socket.resume().write('hello')
    },
    report: event => {
      if (event.event === 'handshake') events.push(event.outcome)
      else if (event.event === 'denied') events.push(`denied ${event.rule} ${event.identity}`)
      else if (event.event === 'revoked') events.push(`revoked ${event.identity}`)
    },
    ...options
  })
  t.after(() => own.close())
  return { listener: own, events, port: own.ports[0]! }
}

/** Connects and waits until the server says hello or closes. The socket is closed if the server refused it. */
async function guest(t: TestContext, port: number, name = 'c1', options: ConnectionOptions = {}): Promise<TLSSocket> {
  const own = { ca: file('ca.pem'), cert: file(`devices/${name}.pem`), key: file(`devices/${name}.key`) }
  const socket = connect({ host: '127.0.0.1', port, ...own, ...options })
  socket.on('error', () => {})
  t.after(() => socket.destroy())
  await new Promise<void>(resolve => {
    socket.once('data', () => resolve()).once('close', () => resolve())
  })
  return socket.resume()
}

/** Connects over TCP without TLS. */
async function mute(t: TestContext, port: number): Promise<Socket> {
  const socket = connectTcp(port, '127.0.0.1')
  socket.on('error', () => {})
  t.after(() => socket.destroy())
  await once(socket, 'connect')
  return socket.resume()
}

test('above the limit of an identity the newcomer is refused, until one leaves', async t => {
  const { port, events } = await opened(t, { connectionsPerIdentityMax: 2 })
  const [first, second] = [await guest(t, port), await guest(t, port)]
  assert.equal((await guest(t, port)).closed, true)
  assert.deepEqual(events, ['full', 'full', 'refused', 'denied too_many_connections c1'])
  assert.deepEqual([first.closed, second.closed], [false, false])
  first.destroy()
  let third = await guest(t, port)
  // The server may not have noticed yet that the first client has left.
  while (third.closed) third = await guest(t, port)
  assert.equal(second.closed, false)
})

test('above the limit in total newcomers are closed unread, and half-open ones count', async t => {
  const { port, events } = await opened(t, { connectionsMax: 2 })
  const [inside, silent] = [await guest(t, port), await mute(t, port)]
  assert.equal((await guest(t, port)).closed, true)
  assert.deepEqual(events, ['full', 'overload'])
  silent.destroy()
  let next = await guest(t, port)
  while (next.closed) next = await guest(t, port)
  assert.equal(inside.closed, false)
})

test('handshakes begin at the rate that is allowed, and all of a crowd come in', async t => {
  const { port, events, listener: own } = await opened(t, { handshakesPerSecond: 50 })
  const startMs = performance.now()
  const crowd = Array.from({ length: 40 }, () => guest(t, port))
  let most = 0
  const look = setInterval(() => {
    most = Math.max(most, own.waiting)
  }, 1)
  const guests = await Promise.all(crowd)
  clearInterval(look)
  assert.ok(guests.every(({ closed }) => !closed))
  assert.deepEqual(events, Array(40).fill('full'))
  assert.ok(performance.now() - startMs >= 700, 'they came in faster than allowed')
  assert.ok(most > 10, `at most ${most} waited`)
  assert.equal(own.waiting, 0)
})

test('when a right ends, live connections are closed, and nobody else notices', async t => {
  let fault: DeniedError | undefined
  await issueDevice({ dir, name: 'c2' })
  const {
    port,
    events,
    listener: own
  } = await opened(t, {
    judge: ({ subject }) => {
      if (fault !== undefined && subject.endsWith('CN=c1')) throw fault
    }
  })
  const [one, again, other] = [await guest(t, port), await guest(t, port), await guest(t, port, 'c2')]
  assert.equal(await own.recheck(true), 0)
  fault = new DeniedError('crl_expired', 'whoever is in stays in')
  assert.equal(await own.recheck(false), 0)
  fault = new DeniedError('revoked', 'it is')
  const closed = Promise.all([once(one, 'close'), once(again, 'close')])
  assert.equal(await own.recheck(false), 2)
  await closed
  assert.equal(other.closed, false)
  assert.deepEqual(events.slice(3), ['revoked c1', 'revoked c1'])
  assert.equal((await guest(t, port)).closed, true)
  assert.equal(await own.recheck(false), 0)
})

test('new files serve new handshakes; sessions go on, unless they are to be forgotten', async t => {
  const { port, listener: own } = await opened(t)
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    const tls = { ca: file('ca.pem'), cert: file('server.pem'), key: file('server.key') }
    const first = connect({
      host: '127.0.0.1',
      port,
      ca: tls.ca,
      cert: file('devices/c1.pem'),
      key: file('devices/c1.key'),
      maxVersion
    })
    const [session] = (await once(first, 'session')) as [Buffer]
    await once(first, 'data')
    own.replaceTls(tls, false)
    assert.equal((await guest(t, port, 'c1', { maxVersion, session })).isSessionReused(), true)
    assert.equal(first.closed, false)
    own.replaceTls(tls, true)
    assert.equal((await guest(t, port, 'c1', { maxVersion, session })).isSessionReused(), false)
    first.destroy()
  }
})

test('what is no TLS, and who goes away in the middle, ends there', async t => {
  const { port, events } = await opened(t)
  const silent = await mute(t, port)
  const babbler = await mute(t, port)
  babbler.write('GET / HTTP/1.1\r\n\r\n')
  await once(babbler, 'close')
  assert.deepEqual(events, ['failed', 'denied handshake '])
  silent.destroy()
  assert.equal((await guest(t, port)).closed, false)
})

test('a certificate that cannot be judged is refused, and costs nobody else anything', async t => {
  let isBroken = true
  const {
    port,
    events,
    listener: own
  } = await opened(t, {
    judge: () => {
      if (isBroken) throw new TypeError('a name that nobody can read')
    }
  })
  assert.equal((await guest(t, port)).closed, true)
  assert.deepEqual(events, ['refused', 'denied handshake c1'])
  isBroken = false
  const inside = await guest(t, port)
  assert.equal(inside.closed, false)
  isBroken = true
  const gone = once(inside, 'close')
  assert.equal(await own.recheck(false), 1)
  await gone
})

test('whoever comes and goes, and however, leaves its place to the next', async t => {
  const most = 12
  let isRefusing = false
  const { port, listener: own } = await opened(t, {
    connectionsMax: most,
    connectionsPerIdentityMax: most,
    judge: () => {
      if (isRefusing) throw new DeniedError('revoked', 'it is')
    }
  })
  const { session } = await visit()
  const clientHello = Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3])
  const tcp = (act: (socket: Socket) => void) => async (): Promise<void> => {
    const socket = connectTcp(port, '127.0.0.1', () => act(socket))
      .on('error', () => {})
      .resume()
    await once(socket, 'close')
  }
  const tls =
    (options: ConnectionOptions, act: (socket: TLSSocket) => unknown = socket => socket.destroy()) =>
    async (): Promise<void> => {
      const socket = await guest(t, port, 'c1', options)
      act(socket)
      if (!socket.closed) await once(socket, 'close')
    }
  const ways: (() => Promise<void>)[] = [
    tcp(socket => socket.destroy()),
    tcp(socket => socket.resetAndDestroy()),
    tcp(socket => socket.end()),
    tcp(socket => socket.write(clientHello, () => socket.destroy())),
    tcp(socket => socket.write(clientHello, () => socket.resetAndDestroy())),
    tcp(socket => socket.write('GET / HTTP/1.1\r\n\r\n')),
    tcp(
      socket => connect({ socket, ca: file('ca.pem') }).on('error', () => {}) && setImmediate(() => socket.destroy())
    ),
    tls({}),
    tls({}, socket => socket.end()),
    tls({ session: session! }),
    tls({ maxVersion: 'TLSv1.2' }),
    tls({ cert: undefined as never, key: undefined as never })
  ]
  for (let round = 0; round < 9; round++) {
    isRefusing = round % 3 === 2
    await Promise.all([...ways, ...ways].map(way => way()))
  }
  isRefusing = false
  const inside: TLSSocket[] = []
  for (let tries = 0; inside.length < most; tries++) {
    assert.ok(tries < 500, `${most - inside.length} places were never given back`)
    const next = await guest(t, port) // the server may not have noticed yet that all clients have left
    if (!next.closed) inside.push(next)
  }
  assert.ok(inside.every(({ closed }) => !closed))
  assert.equal((await guest(t, port)).closed, true)
  assert.equal(own.waiting, 0)
})
