import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { ConfigFault } from '../../model/errors.ts'
import { encodePem, pemBlocks } from '../pem.ts'
import { makeRequest, readRequest } from './csr.ts'

const newKey = () => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
const label = 'CERTIFICATE REQUEST'

function faultOf(pem: string): string {
  const faults: ConfigFault[] = []
  assert.equal(readRequest(pem, 'x.csr', faults), undefined)
  assert.equal(faults.length, 1)
  assert.equal(faults[0]!.path, 'x.csr')
  return `${faults[0]!.expected}: ${faults[0]!.found}`
}

test('a request that was made is read: its name, and its public key', () => {
  const key = newKey()
  const request = readRequest(makeRequest('wallbox-1', key), 'x.csr', [])!
  assert.equal(request.name, 'wallbox-1')
  assert.ok(request.publicKey.equals(createPublicKey(key)))
})

test('a request that was changed is refused, at every byte', () => {
  const [der] = pemBlocks(makeRequest('wallbox-1', newKey()), label)
  for (let at = 0; at < der!.length; at++) {
    const changed = Buffer.from(der!)
    changed[at] = changed[at]! ^ 1
    const faults: ConfigFault[] = []
    const request = readRequest(encodePem(label, changed), 'x.csr', faults)
    assert.ok(request === undefined && faults.length === 1, `byte ${at} of ${der!.length}`)
  }
})

test('what is no request, no device, or no key of ours is refused, and the fault says which', () => {
  const key = newKey()
  assert.match(faultOf('hello'), /one certificate request/)
  assert.match(faultOf(makeRequest('a', key) + makeRequest('b', key)), /one certificate request.*: 2$/)
  assert.match(faultOf(encodePem(label, Buffer.from('3000', 'hex'))), /in PEM/)
  assert.match(faultOf(makeRequest('../../etc', key)), /device name/)
  const other = generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey
  assert.match(faultOf(makeRequest('a', other)), /P-256/)
})

test('OpenSSL reads our request, and its own is read here', t => {
  const folder = mkdtempSync(join(tmpdir(), 'chargelift-csr-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const openssl = (args: string, input = ''): string =>
    execFileSync('openssl', args.split(' '), {
      cwd: folder,
      input,
      encoding: 'utf8',
      stdio: ['pipe', 'pipe', 'ignore']
    })
  try {
    openssl('version')
  } catch {
    return t.skip('needs openssl')
  }
  assert.match(openssl('req -noout -verify -subject', makeRequest('wallbox-1', newKey())), /wallbox-1/)
  openssl('ecparam -name prime256v1 -genkey -noout -out key')
  openssl('req -new -sha256 -key key -subj /O=Site/CN=wallbox-2 -out csr')
  assert.equal(readRequest(readFileSync(join(folder, 'csr'), 'utf8'), 'csr', [])?.name, 'wallbox-2')
  openssl('req -new -sha256 -key key -subj /CN=a/CN=b -out csr')
  assert.match(faultOf(readFileSync(join(folder, 'csr'), 'utf8')), /one CN/)
})
