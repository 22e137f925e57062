import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { identify } from '../../src/broker/identity.ts'
import { initAuthority } from '../../src/pki/authority/authority.ts'
import { issueDevice } from '../../src/pki/authority/devices.ts'
import { fleetNames } from '../rig/names.ts'
import { Credentials } from './credentials.ts'

test('a copied certificate is signed by the CA, has a serial of its own, and is who it says for the server', async t => {
  const dir = mkdtempSync(join(tmpdir(), 'chargelift-bench-'))
  t.after(() => rmSync(dir, { recursive: true }))
  await initAuthority({ dir })
  const ca = new X509Certificate(readFileSync(join(dir, 'ca.pem')))
  const { names, prefix } = fleetNames(dir, 50)
  const credentials = await Credentials.open(dir, names)
  const serials = new Set<string>()
  for (const name of names) {
    assert.ok(name.startsWith(prefix))
    const certificate = new X509Certificate(credentials.keyedOf(name).certificate)
    assert.ok(certificate.checkIssued(ca) && certificate.verify(ca.publicKey))
    const { name: identity, role, chargers, serial } = identify(certificate, Date.now())
    assert.deepEqual({ identity, role, chargers }, { identity: name, role: 'edge', chargers: [name] })
    serials.add(serial)
    credentials.contextOf(name) // throws if the key does not fit
  }
  assert.equal(serials.size, names.length)
})

test('without a CA key, the devices of the folder are the fleet; too few are a fault', async t => {
  const dir = mkdtempSync(join(tmpdir(), 'chargelift-bench-'))
  t.after(() => rmSync(dir, { recursive: true }))
  await initAuthority({ dir })
  for (const name of ['wb-1', 'wb-2']) await issueDevice({ dir, name })
  rmSync(join(dir, 'ca.key'))
  const { names, prefix } = fleetNames(dir, 2)
  assert.deepEqual({ names, prefix }, { names: ['wb-1', 'wb-2'], prefix: '' })
  const credentials = await Credentials.open(dir, names)
  assert.match(credentials.keyedOf('wb-2').certificate, /BEGIN CERTIFICATE/)
  assert.throws(() => fleetNames(dir, 3), /or with 3 devices .*found 2 devices/)
})
