import assert from 'node:assert/strict'
import {
  appendFileSync,
  cpSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { ConfigError } from '../../model/errors.ts'
import type { SecurityEvent } from '../../model/server/security.ts'
import { initAuthority } from '../../pki/authority/authority.ts'
import { issueDevice } from '../../pki/authority/devices.ts'
import { revokeDevices } from '../../pki/authority/revoke.ts'
import { Credentials } from './credentials.ts'

const dayMs = 86_400_000
const root = mkdtempSync(join(tmpdir(), 'chargelift-credentials-'))
const [first, other] = [join(root, 'first'), join(root, 'other')]
const text = (dir: string, name: string): string => readFileSync(join(dir, name), 'utf8')

before(async () => {
  for (const dir of [first, other]) {
    await initAuthority({ dir })
    await issueDevice({ dir, name: 'c1' })
  }
})
after(() => rmSync(root, { recursive: true }))

interface Watched {
  readonly dir: string
  readonly credentials: Credentials
  readonly events: SecurityEvent[]
  readonly warnings: string[]
  replaced: number
  readonly clock: { nowMs: number }
}

let count = 0
/** Copies the first authority and reads the credentials from the copy. */
function watched(t: TestContext, { crlStrict = false, isWatched = true } = {}): Watched {
  const dir = join(root, `copy-${count++}`)
  cpSync(first, dir, { recursive: true })
  const at = (name: string): string => join(dir, name)
  const paths = { ca: at('ca.pem'), cert: at('server.pem'), key: at('server.key'), crl: at('crl.pem') }
  const clock = { nowMs: Date.now() }
  const [events, warnings]: [SecurityEvent[], string[]] = [[], []]
  const credentials = new Credentials({
    paths,
    crlStrict,
    report: event => events.push(event),
    warned: warning => warnings.push(warning),
    now: () => clock.nowMs
  })
  const seen = { dir, credentials, events, warnings, replaced: 0, clock }
  if (isWatched) {
    const stop = credentials.watch(() => {
      seen.replaced++
    })
    t.after(stop)
  }
  return seen
}

async function until(isDone: () => boolean): Promise<void> {
  for (const deadline = Date.now() + 10_000; !isDone(); await sleep(10)) {
    assert.ok(Date.now() < deadline, 'waited for 10 s')
  }
}

/** Makes a server certificate of the same CA with another key. */
async function renewServer(dir: string): Promise<void> {
  await initAuthority({ dir, hosts: [`host-${count++}.example`] })
}

const names = (events: readonly SecurityEvent[]): string[] => events.map(({ event }) => event)

test('a revocation comes into force by itself, whichever way the file is written', async t => {
  const ways: Record<string, (path: string, text: string) => void> = {
    rename: (path, text) => {
      writeFileSync(`${path}.new`, text)
      renameSync(`${path}.new`, path)
    },
    overwriting: (path, text) => writeFileSync(path, text),
    'in pieces': (path, text) => {
      writeFileSync(path, '')
      for (let at = 0; at < text.length; at += 100) appendFileSync(path, text.slice(at, at + 100))
    },
    'a link': (path, text) => {
      writeFileSync(`${path}.target`, text)
      rmSync(path)
      symlinkSync(`${path}.target`, path)
    }
  }
  const revokedDir = join(root, 'revoked')
  cpSync(first, revokedDir, { recursive: true })
  await revokeDevices({ dir: revokedDir, names: ['c1'] })
  await Promise.all(
    Object.entries(ways).map(async ([way, write]) => {
      const seen = watched(t)
      write(join(seen.dir, 'crl.pem'), text(revokedDir, 'crl.pem'))
      await until(() => seen.replaced > 0)
      assert.equal(seen.credentials.current.trust.revocation.count, 1, way)
      assert.deepEqual(seen.events, [{ event: 'reloaded', files: [join(seen.dir, 'crl.pem')], reason: '' }], way)
    })
  )
})

test('a new certificate of the server comes into force, key and certificate together', async t => {
  const seen = watched(t)
  await renewServer(seen.dir)
  await until(() => seen.replaced > 0)
  const { cert, key } = seen.credentials.current
  assert.deepEqual([cert.toString(), key.toString()], [text(seen.dir, 'server.pem'), text(seen.dir, 'server.key')])
  assert.equal(seen.replaced, 1)
})

const faults: [string, RegExp, (dir: string) => void | Promise<void>][] = [
  ['a list of garbage', /--tls-crl: expected a PEM block/, dir => writeFileSync(join(dir, 'crl.pem'), 'garbage')],
  ['an empty list', /--tls-crl: expected a PEM block/, dir => writeFileSync(join(dir, 'crl.pem'), '')],
  ['half a list', /--tls-crl: /, dir => writeFileSync(join(dir, 'crl.pem'), text(dir, 'crl.pem').slice(0, 200))],
  ['a list of another CA', /--tls-crl: .*another issuer/, dir => cpSync(join(other, 'crl.pem'), join(dir, 'crl.pem'))],
  ['no list', /crl\.pem: no such file \(--tls-crl\)/, dir => rmSync(join(dir, 'crl.pem'))],
  ['another CA, whose list it is not', /--tls-crl: /, dir => cpSync(join(other, 'ca.pem'), join(dir, 'ca.pem'))],
  ['half a CA', /--tls-ca: /, dir => writeFileSync(join(dir, 'ca.pem'), text(dir, 'ca.pem').slice(0, 200))],
  [
    'a certificate without its key',
    /--tls-key: expected the key of/,
    dir => cpSync(join(other, 'server.pem'), join(dir, 'server.pem'))
  ],
  [
    'a key without its certificate',
    /--tls-key: expected the key of/,
    dir => cpSync(join(other, 'server.key'), join(dir, 'server.key'))
  ],
  [
    'half a key',
    /--tls-key: expected a private key/,
    dir => writeFileSync(join(dir, 'server.key'), text(dir, 'server.key').slice(0, 90))
  ],
  [
    'a certificate that is not valid yet',
    /--tls-cert: expected a certificate valid now/,
    async dir => {
      const files = { dir: join(dir, 'later'), hosts: ['later.example'] }
      cpSync(first, files.dir, { recursive: true })
      await initAuthority({ ...files, nowMs: Date.now() + 10 * dayMs })
      for (const name of ['server.pem', 'server.key']) cpSync(join(files.dir, name), join(dir, name))
    }
  ]
]
for (const [what, reason, write] of faults) {
  test(`${what} changes nothing and is told; what is right again ends the alarm`, async t => {
    const seen = watched(t, { isWatched: false })
    const { current } = seen.credentials
    await write(seen.dir)
    seen.credentials.reload()
    seen.credentials.reload()
    assert.equal(seen.credentials.current, current)
    assert.deepEqual(names(seen.events), ['reload_failed'])
    assert.match(seen.credentials.fault!, reason)
    assert.match(seen.credentials.warnings[0]!, /^certificate files are refused, the former are in force: .*--tls-/)
    cpSync(first, seen.dir, { recursive: true, force: true })
    seen.credentials.reload()
    assert.deepEqual([seen.credentials.fault, seen.credentials.warnings], [undefined, []])
    assert.deepEqual(names(seen.events), ['reload_failed', 'reloaded'])
  })
}

test('a key that comes long after its certificate ends the alarm by itself', async t => {
  const seen = watched(t)
  const next = join(root, 'next')
  cpSync(seen.dir, next, { recursive: true })
  await renewServer(next)
  cpSync(join(next, 'server.pem'), join(seen.dir, 'server.pem'))
  await until(() => seen.credentials.fault !== undefined)
  assert.equal(seen.replaced, 0)
  cpSync(join(next, 'server.key'), join(seen.dir, 'server.key'))
  await until(() => seen.credentials.fault === undefined)
  assert.deepEqual([seen.replaced, names(seen.events)], [1, ['reload_failed', 'reloaded']])
})

test('a list that ends is told once, and so is a server certificate that ends soon', async t => {
  const seen = watched(t)
  assert.equal(seen.credentials.crlExpired, false)
  seen.clock.nowMs = seen.credentials.current.trust.revocation.nextUpdateMs + 1
  await until(() => seen.warnings.length >= 2)
  assert.equal(seen.credentials.crlExpired, true)
  assert.match(seen.warnings[0]!, /^a revocation list ended on \d{4}-\d\d-\d\d: it still counts$/)
  assert.match(seen.warnings[1]!, /^the server's certificate ends on \d{4}-\d\d-\d\d /)
  assert.deepEqual(seen.credentials.warnings, seen.warnings)
})

test('a server does not start on files that are wrong, and names all of them', () => {
  const paths = {
    ca: join(first, 'ca.pem'),
    cert: join(first, 'server.pem'),
    key: join(other, 'server.key'),
    crl: join(other, 'crl.pem')
  }
  const start = () => new Credentials({ paths, crlStrict: false, report: () => {}, warned: () => {} })
  assert.throws(start, (error: unknown) => {
    assert.ok(error instanceof ConfigError)
    assert.deepEqual(error.faults.map(({ path }) => path).sort(), ['--tls-crl', '--tls-key'])
    return true
  })
})
