import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls'
import type { Identity } from '../model/admission.ts'
import { initAuthority } from '../pki/authority.ts'
import { issueDevice } from '../pki/devices.ts'
import { Listener } from './listener.ts'

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
    isRevoked: (_issuer, serial) => serial === revoked,
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

/** Connects with the certificate of c1 until the server ends; returns what there is to resume with. */
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
  const rest = { isRevoked: () => false, accept: () => {}, report: () => {} }
  await assert.rejects(Listener.open({ ...options, ...rest, ports: [0, listener.ports[1]!] }), { code: 'EADDRINUSE' })
})
