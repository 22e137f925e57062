import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { chmod, copyFile, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import tls from 'node:tls'
import { promisify } from 'node:util'
import { ConfigError } from '../../model/errors.ts'
import { type AuthorityFiles, authorityFiles } from '../files.ts'
import { caDaysDefault, certificateChargersMax } from '../limits.ts'
import { initAuthority } from './authority.ts'
import { issueDevice } from './devices.ts'
import { certificateBackdateMs } from './limits.ts'

const dayMs = 86_400_000
const run = promisify(execFile)

async function tempDir(t: TestContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'chargelift-pki-'))
  t.after(() => rm(dir, { recursive: true, force: true }))
  return dir
}

const read = (path: string): Promise<string> => readFile(path, 'utf8')
const certificateAt = async (path: string): Promise<X509Certificate> => new X509Certificate(await readFile(path))

/** The content of all files in the folder, to see whether a file changed. */
async function snapshot(dir: string): Promise<Record<string, string>> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true })
  const files = entries.filter(entry => entry.isFile()).map(entry => join(entry.parentPath, entry.name))
  return Object.fromEntries(await Promise.all(files.sort().map(async path => [path, await read(path)])))
}

const throwsFault = (work: Promise<unknown>, path: string, text: RegExp): Promise<void> =>
  assert.rejects(work, (error: unknown) => {
    assert.ok(error instanceof ConfigError)
    assert.equal(error.faults[0]!.path, path)
    assert.match(error.message, text)
    return true
  })

interface Hello {
  /** The CN that the server saw, or the reason why it refused the client. */
  readonly server: string
  readonly client: string
}

/** Runs one mutual TLS handshake on the loopback. Returns the result of both sides. */
async function handshake(serverSide: tls.TlsOptions, clientSide: tls.ConnectionOptions): Promise<Hello> {
  const server = tls.createServer({ ...serverSide, requestCert: true, rejectUnauthorized: true })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  try {
    const { port } = server.address() as AddressInfo
    const seen = new Promise<string>(resolve => {
      server.once('secureConnection', socket => {
        resolve(String(socket.getPeerX509Certificate()?.subject))
        socket.on('error', () => {})
        socket.end()
      })
      server.once('tlsClientError', (_, socket) => resolve(`refused: ${socket.authorizationError}`))
    })
    const socket = tls.connect({ host: '127.0.0.1', port, ...clientSide })
    const told = new Promise<string>(resolve => {
      socket.once('error', error => resolve(`refused: ${error.message}`))
      socket.once('close', () => resolve('closed'))
      socket.resume()
    })
    return { server: await seen, client: await told }
  } finally {
    server.close()
  }
}

async function serverSide(files: AuthorityFiles): Promise<tls.TlsOptions> {
  const [cert, key, ca, crl] = await Promise.all([files.server, files.serverKey, files.ca, files.crl].map(read))
  return { cert, key, ca, crl } as tls.TlsOptions
}

async function clientSide(dir: string, name: string, ca = authorityFiles(dir).ca): Promise<tls.ConnectionOptions> {
  const files = join(dir, 'devices', name)
  return { cert: await read(`${files}.pem`), key: await read(`${files}.key`), ca: await read(ca) }
}

test('what init and issue write makes a mutual TLS connection, with the revocation list in force', async t => {
  const dir = await tempDir(t)
  const { files } = await initAuthority({ dir, hosts: ['localhost', '127.0.0.1', '::1'] })
  await issueDevice({ dir, name: 'wb-1' })
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    for (const servername of ['localhost', '']) {
      const client = { ...(await clientSide(dir, 'wb-1')), servername, maxVersion }
      const hello = await handshake(await serverSide(files), client)
      assert.deepEqual(hello, { server: 'OU=edge\nCN=wb-1', client: 'closed' })
    }
  }
})

test('a device of another CA is refused, and refuses our server', async t => {
  const [ours, others] = [await tempDir(t), await tempDir(t)]
  const { files } = await initAuthority({ dir: ours })
  await initAuthority({ dir: others })
  await issueDevice({ dir: others, name: 'wb-1' })
  const trusting = await handshake(await serverSide(files), await clientSide(others, 'wb-1', files.ca))
  assert.equal(trusting.server, 'refused: UNABLE_TO_VERIFY_LEAF_SIGNATURE')
  const doubting = await handshake(await serverSide(files), await clientSide(others, 'wb-1'))
  assert.match(doubting.client, /^refused: self-signed certificate in certificate chain/)
})

test('a server certificate does not pass as a device, nor a device certificate as a server', async t => {
  const dir = await tempDir(t)
  const { files } = await initAuthority({ dir })
  await issueDevice({ dir, name: 'localhost' })
  const { cert, key, ca } = (await serverSide(files)) as { cert: string; key: string; ca: string }
  const asDevice = await handshake({ cert, key, ca }, { cert, key, ca })
  assert.equal(asDevice.server, 'refused: INVALID_PURPOSE')
  const device = await clientSide(dir, 'localhost')
  const asServer = await handshake({ cert: device.cert, key: device.key, ca }, { ...device, servername: 'localhost' })
  assert.match(asServer.client, /^refused: .*purpose/)
})

test('a certificate with as many chargers as are allowed still fits into a handshake', async t => {
  const dir = await tempDir(t)
  const { files } = await initAuthority({ dir })
  const chargers = Array.from({ length: certificateChargersMax }, (_, index) => `c${index}`.padEnd(64, 'x'))
  await issueDevice({ dir, name: 'wide', chargers })
  const hello = await handshake(await serverSide(files), await clientSide(dir, 'wide'))
  assert.deepEqual(hello, { server: 'OU=edge\nCN=wide', client: 'closed' })
})

test('certificates say what they are for, and for how long', async t => {
  const dir = await tempDir(t)
  const nowMs = Date.now()
  const { files } = await initAuthority({ dir, hosts: ['cloud.example.com', '10.0.0.1', '2001:db8::1'], nowMs })
  const { ca, server } = { ca: await certificateAt(files.ca), server: await certificateAt(files.server) }
  assert.ok(ca.ca && ca.verify(ca.publicKey))
  assert.equal(server.subject, 'CN=cloud.example.com')
  assert.equal(server.subjectAltName, 'DNS:cloud.example.com, IP Address:10.0.0.1, IP Address:2001:DB8:0:0:0:0:0:1')
  assert.deepEqual(server.keyUsage, ['1.3.6.1.5.5.7.3.1'])
  assert.ok(!server.ca && server.checkIssued(ca) && server.verify(ca.publicKey))
  assert.match(server.serialNumber, /^[4-7][0-9A-F]{31}$/)
  for (const { validFromDate } of [ca, server]) {
    assert.equal(validFromDate.getTime(), Math.floor((nowMs - certificateBackdateMs) / 1000) * 1000)
  }
  assert.equal(ca.publicKey.asymmetricKeyDetails?.namedCurve, 'prime256v1')
})

test('a host too long for a CN stands in the SAN alone', async t => {
  const dir = await tempDir(t)
  const long = `${'a'.repeat(60)}.${'b'.repeat(60)}.example`
  const { files } = await initAuthority({ dir, hosts: [long] })
  const server = await certificateAt(files.server)
  assert.equal(server.subject, 'CN=chargelift server')
  assert.equal(server.checkHost(long), long)
})

test('keys are readable by their owner alone, whatever the umask', async t => {
  const dir = await tempDir(t)
  const before = process.umask(0)
  t.after(() => process.umask(before))
  const { files } = await initAuthority({ dir })
  const device = await issueDevice({ dir, name: 'wb-1' })
  for (const key of [files.caKey, files.serverKey, device.files.key]) {
    assert.equal((await stat(key)).mode & 0o777, 0o600, key)
    assert.match(await read(key), /^-----BEGIN PRIVATE KEY-----\n/)
  }
  for (const open of [files.ca, files.server, files.crl, device.files.certificate, files.issued]) {
    assert.equal((await stat(open)).mode & 0o777, 0o644, open)
  }
})

test('init again changes nothing, with and without the hosts', async t => {
  const dir = await tempDir(t)
  const hosts = ['Cloud.example.com', '2001:DB8::1']
  const first = await initAuthority({ dir, hosts })
  assert.deepEqual([first.ca, first.crl, first.server], ['created', 'created', 'created'])
  const before = await snapshot(dir)
  for (const options of [{ dir, hosts }, { dir, hosts: hosts.toReversed() }, { dir }]) {
    const again = await initAuthority(options)
    assert.deepEqual([again.ca, again.crl, again.server], ['kept', 'kept', 'kept'])
    assert.deepEqual(new Set(again.hosts), new Set(['cloud.example.com', '2001:db8::1']))
  }
  assert.deepEqual(await snapshot(dir), before)
})

test('without hosts the first server certificate is for localhost', async t => {
  const { hosts, files } = await initAuthority({ dir: await tempDir(t) })
  assert.deepEqual(hosts, ['localhost', '127.0.0.1'])
  assert.equal((await certificateAt(files.server)).subjectAltName, 'DNS:localhost, IP Address:127.0.0.1')
})

test('other hosts replace the server certificate and nothing else', async t => {
  const dir = await tempDir(t)
  const { files } = await initAuthority({ dir, hosts: ['a.example'] })
  const before = await snapshot(dir)
  const report = await initAuthority({ dir, hosts: ['a.example', 'b.example'] })
  assert.deepEqual([report.ca, report.server, report.serverReason], ['kept', 'replaced', 'the hosts differ'])
  const after = await snapshot(dir)
  const changed = Object.keys(after).filter(path => after[path] !== before[path])
  assert.deepEqual(changed.sort(), [files.serverKey, files.server].sort())
  assert.ok((await certificateAt(files.server)).checkHost('b.example'))
})

test('the server certificate is made anew within 30 days of its end, not before, and never outlives the CA', async t => {
  const dir = await tempDir(t)
  const startMs = Date.now() - 700 * dayMs
  const { serverNotAfterMs, caNotAfterMs } = await initAuthority({ dir, nowMs: startMs })
  assert.equal((await initAuthority({ dir, nowMs: serverNotAfterMs - 31 * dayMs })).server, 'kept')
  const renewed = await initAuthority({ dir, nowMs: serverNotAfterMs - 29 * dayMs })
  assert.deepEqual([renewed.server, renewed.serverReason], ['replaced', 'it ends soon or has ended'])
  assert.equal((await initAuthority({ dir, nowMs: renewed.serverNotAfterMs + dayMs })).server, 'replaced')
  const late = { dir, nowMs: caNotAfterMs - 10 * dayMs }
  assert.equal((await initAuthority(late)).serverNotAfterMs, caNotAfterMs)
  // The certificate ends within 30 days, but the CA does too. A new certificate would not last longer.
  assert.equal((await initAuthority(late)).server, 'kept')
  await throwsFault(
    initAuthority({ dir, nowMs: caNotAfterMs + 1 }),
    authorityFiles(dir).ca,
    /still valid .*another --dir/
  )
})

test("somebody else's server certificate is replaced, but stays beside with its key", async t => {
  const [dir, others] = [await tempDir(t), await tempDir(t)]
  const { files } = await initAuthority({ dir })
  const foreign = await initAuthority({ dir: others })
  await copyFile(foreign.files.server, files.server)
  await copyFile(foreign.files.serverKey, files.serverKey)
  const report = await initAuthority({ dir })
  assert.deepEqual([report.server, report.serverReason], ['replaced', 'it was issued by another CA'])
  assert.equal(await read(`${files.server}.former`), await read(foreign.files.server))
  assert.equal(await read(`${files.serverKey}.former`), await read(foreign.files.serverKey))
  assert.ok((await certificateAt(files.server)).checkIssued(await certificateAt(files.ca)))
})

test('a server certificate that cannot serve is replaced', async t => {
  const dir = await tempDir(t)
  const { files } = await initAuthority({ dir })
  await rm(files.serverKey)
  assert.equal((await initAuthority({ dir })).serverReason, 'its key does not fit')
  await writeFile(files.server, 'nonsense')
  assert.equal((await initAuthority({ dir })).serverReason, 'it could not be read')
  await rm(files.server)
  await rm(files.serverKey)
  assert.equal((await initAuthority({ dir })).server, 'created')
  assert.equal((await initAuthority({ dir })).server, 'kept')
})

test('a CA certificate that was lost, or never written, is made again from the key; all that was issued chains', async t => {
  const dir = await tempDir(t)
  const { files } = await initAuthority({ dir })
  const device = await issueDevice({ dir, name: 'wb-1' })
  const before = await snapshot(dir)
  await rm(files.ca)
  const report = await initAuthority({ dir })
  assert.deepEqual([report.ca, report.crl, report.server], ['restored', 'kept', 'kept'])
  assert.equal(await read(files.caKey), before[files.caKey])
  const ca = await certificateAt(files.ca)
  const certificate = await certificateAt(device.files.certificate)
  assert.ok(certificate.checkIssued(ca) && certificate.verify(ca.publicKey))
  const hello = await handshake(await serverSide(files), await clientSide(dir, 'wb-1'))
  assert.equal(hello.server, 'OU=edge\nCN=wb-1')
})

test('a CA that was lost altogether is not replaced behind the back of its devices', async t => {
  const dir = await tempDir(t)
  const { files } = await initAuthority({ dir })
  await rm(files.ca)
  await rm(files.caKey)
  const before = await snapshot(dir)
  await throwsFault(initAuthority({ dir }), files.caKey, /restore them, or begin anew/)
  assert.deepEqual(await snapshot(dir), before)
})

test('a folder whose parts do not fit is refused, by file, and left alone', async t => {
  const [dir, others] = [await tempDir(t), await tempDir(t)]
  const { files } = await initAuthority({ dir })
  const foreign = await initAuthority({ dir: others })
  const faults: [string, string, RegExp][] = [
    [files.caKey, await read(foreign.files.caKey), /restore the two files/],
    [files.caKey, 'nonsense', /P-256 key in PEM, found none that can be read/],
    [files.ca, 'nonsense', /a certificate in PEM/],
    [files.ca, await read(files.server), /certificate of a CA, found that of CN=localhost/],
    [files.crl, await read(foreign.files.crl), /signed by a certificate in .*ca\.pem, found one of another issuer/],
    [files.crl, 'nonsense', /PEM block "X509 CRL"/]
  ]
  for (const [path, text, message] of faults) {
    const good = await read(path)
    await writeFile(path, text)
    const before = await snapshot(dir)
    await throwsFault(initAuthority({ dir }), path, message)
    assert.deepEqual(await snapshot(dir), before)
    await writeFile(path, good)
  }
  assert.equal((await initAuthority({ dir })).ca, 'kept')
})

test('a complete folder needs no CA key and no right to write; an incomplete one asks for the key', async t => {
  const dir = await tempDir(t)
  const { files } = await initAuthority({ dir })
  await rm(files.caKey)
  await rm(join(dir, '.lock'))
  await chmod(dir, 0o500)
  try {
    assert.equal((await initAuthority({ dir })).server, 'kept')
  } finally {
    await chmod(dir, 0o700)
  }
  // Root may write anywhere. So the missing lock proves that the command did not try to write.
  await assert.rejects(stat(join(dir, '.lock')), { code: 'ENOENT' })
  await throwsFault(initAuthority({ dir, hosts: ['other'] }), files.caKey, /run the command where the key is kept/)
})

test('bad hosts are told all at once, and nothing is made', async t => {
  const dir = join(await tempDir(t), 'new')
  await assert.rejects(initAuthority({ dir, hosts: ['ok', 'a b', 'x:1'] }), (error: unknown) => {
    assert.ok(error instanceof ConfigError)
    assert.deepEqual(
      error.faults.map(({ path, found }) => [path, found]),
      [
        ['--host', '"a b"'],
        ['--host', '"x:1"']
      ]
    )
    return true
  })
  await assert.rejects(stat(dir), { code: 'ENOENT' })
})

test('a folder that cannot be made is a fault that names it', async t => {
  const dir = join(await tempDir(t), 'file')
  await writeFile(dir, '')
  await throwsFault(
    initAuthority({ dir: join(dir, 'sub') }),
    join(dir, 'sub', 'ca.pem'),
    /a part of this path is a file, not a folder/
  )
  await mkdir(`${dir}2/ca.key`, { recursive: true })
  await throwsFault(initAuthority({ dir: `${dir}2` }), join(`${dir}2`, 'ca.key'), /ca\.key: a folder, not a file/)
})

test('several processes and callers at once make one authority', async t => {
  const dir = await tempDir(t)
  const module = new URL('./authority.ts', import.meta.url).href
  const script = `const { initAuthority } = await import(${JSON.stringify(module)})
    process.stdout.write((await initAuthority({ dir: process.argv[1] })).ca)`
  const child = () => run(process.execPath, ['--input-type=module', '-e', script, dir]).then(({ stdout }) => stdout)
  const caller = () => initAuthority({ dir }).then(({ ca }) => ca)
  const outcomes = await Promise.all([child(), child(), child(), caller(), caller()])
  assert.equal(outcomes.filter(outcome => outcome === 'created').length, 1)
  assert.equal(outcomes.filter(outcome => outcome === 'kept').length, 4)
  assert.deepEqual((await readdir(dir)).sort(), ['.lock', 'ca.key', 'ca.pem', 'crl.pem', 'server.key', 'server.pem'])
})

const openssl = await run('openssl', ['version']).then(
  () => true,
  () => false
)
test('OpenSSL accepts it all by its strict rules', { skip: !openssl }, async t => {
  const dir = await tempDir(t)
  const { files } = await initAuthority({ dir })
  const device = await issueDevice({ dir, name: 'wb-1', chargers: ['a', 'b'] })
  const verify = ['verify', '-x509_strict', '-CAfile', files.ca, '-crl_check', '-CRLfile', files.crl]
  await run('openssl', [...verify, '-purpose', 'sslserver', files.server])
  await run('openssl', [...verify, '-purpose', 'sslclient', device.files.certificate])
  const crl = await run('openssl', ['crl', '-in', files.crl, '-noout', '-text', '-CAfile', files.ca, '-verify'])
  assert.match(crl.stderr, /verify OK/)
  assert.match(crl.stdout, /CRL Number/)
  const ca = await run('openssl', ['x509', '-in', files.ca, '-noout', '-text'])
  assert.match(
    ca.stdout,
    /Basic Constraints: critical\s+CA:TRUE[\s\S]*Key Usage: critical\s+Certificate Sign, CRL Sign/
  )
  const nextMs = Date.parse(/Next Update: (.*)/.exec(crl.stdout)![1]!)
  assert.ok(nextMs > Date.now() + (caDaysDefault - 2) * dayMs)
})
