// Tests the single binaries as a user has them: copied to an empty folder, without access to Node or the repository.

import assert from 'node:assert/strict'
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  chownSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { Harness, until } from '../harness.ts'
import { build, builtProducts, noQemu, packageFile, qemu, qemuArgs, root } from '../products.ts'

const folder = mkdtempSync(join(tmpdir(), 'chargelift-binary-'))
const binary = join(folder, 'chargelift')
const emptyPath = join(folder, 'nothing')
const running: Run[] = []

/** A program that runs in `folder`. Its environment has only the given variables. */
class Run {
  readonly child: ChildProcess
  readonly exit: Promise<number | null>
  out = ''
  err = ''

  constructor(command: readonly string[], env: Record<string, string> = {}) {
    const [file = '', ...args] = command
    this.child = spawn(file, args, { cwd: folder, env: { PATH: emptyPath, ...env } })
    this.child.stdout!.on('data', chunk => (this.out += chunk))
    this.child.stderr!.on('data', chunk => (this.err += chunk))
    this.exit = once(this.child, 'close').then(([code]) => code)
    running.push(this)
  }

  async saying(pattern: RegExp): Promise<RegExpExecArray> {
    const find = () => pattern.exec(this.out)
    await until(() => find() !== null || this.child.exitCode !== null, Boolean)
    return find() ?? assert.fail(`not said: ${pattern}\n${this.out}\n${this.err}`)
  }

  async end(): Promise<number | null> {
    this.child.kill('SIGTERM')
    return this.exit
  }
}

async function run(
  command: readonly string[],
  env: Record<string, string> = {}
): Promise<Run & { code: number | null }> {
  const program = new Run(command, env)
  return Object.assign(program, { code: await program.exit })
}

const chargelift = (...args: string[]): string[] => [binary, ...args]
const serverFlags = ['--mqtt-host', '127.0.0.1', '--mqtt-port', '0', '--http-port', '0']

async function startServer(
  databaseUrl: string,
  env: Record<string, string> = {}
): Promise<{ server: Run; mqttPort: string; httpPort: string }> {
  const server = new Run(chargelift('server', ...serverFlags), { DATABASE_URL: databaseUrl, ...env })
  const [, mqttPort, httpPort] = await server.saying(/"event":"listening","mqttPort":(\d+).*"httpPort":(\d+)/)
  return { server, mqttPort: mqttPort!, httpPort: httpPort! }
}

function writeEdgeConfig(mqttPort: string, chargerUrl: string): void {
  writeFileSync(
    join(folder, 'edge.yaml'),
    `broker: mqtts://127.0.0.1:${mqttPort}
tls: {ca: certs/ca.pem, cert: certs/devices/wallbox-1.pem, key: certs/devices/wallbox-1.key}
chargers:
  - {name: wallbox-1, driver: mennekes-amtron, url: "${chargerUrl}", devKey: "0000", pollIntervalMs: 1000}
`
  )
}

describe('single binary', () => {
  const h = Harness.use()
  let databaseUrl = ''

  before(async () => {
    cpSync(join(await builtProducts('x64'), 'chargelift-linux-x64'), binary)
    mkdirSync(emptyPath)
    databaseUrl = await h.database()
    assert.equal((await run(chargelift('certs', 'init'))).code, 0)
    assert.equal((await run(chargelift('certs', 'issue', 'wallbox-1'))).code, 0)
  })

  after(async () => {
    for (const { child } of running) child.kill('SIGKILL')
    await Promise.all(running.map(({ exit }) => exit))
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  })

  it('says its version, its commit and the licences of what is inside', async () => {
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
    const told = await run(chargelift('--version'))
    assert.match(told.out, /^\S+ \(commit ([0-9a-f]{12}(, changed)?|unknown)\)\n$/)
    assert.ok(told.out.startsWith(`${version} `))
    const { out } = await run(chargelift('--licenses'))
    for (const part of ['Apache License', 'aedes ', 'pg ', 'preact ', 'uplot ', 'Node.js', 'OpenSSL', 'V8']) {
      assert.ok(out.includes(part), `${part} is not among the licences`)
    }
  })

  it('has no PostgreSQL: without a database URL server and demo say so and exit 78', async () => {
    for (const command of ['server', 'demo']) {
      const { code, err, out } = await run(chargelift(command))
      assert.equal(code, 78, out)
      assert.match(err, /^--database-url: expected .*DATABASE_URL.*carries no PostgreSQL/m)
    }
  })

  it('runs the whole path: charger, edge, server, rows; serves the page; every process stops with 0', async () => {
    const { server, mqttPort, httpPort } = await startServer(databaseUrl)
    const charger = new Run(chargelift('demo', 'charger', '--port', '0'))
    const [, chargerUrl] = await charger.saying(/at (http:\S+), devKey/)
    writeEdgeConfig(mqttPort, chargerUrl!)
    const edge = new Run(chargelift('edge', '--config', 'edge.yaml'))
    const db = await h.session(databaseUrl)
    const count = async (): Promise<number> =>
      Number(
        (await db.query("SELECT count(*) FROM ev_readings JOIN chargers ON id = charger_id WHERE name = 'wallbox-1'"))
          .rows[0].count
      )
    await until(count, rows => rows >= 3)
    const check = await run(chargelift('edge', '--config', 'edge.yaml', '--check'))
    assert.match(check.out, /^ok +store +wallbox-1: stored in/m, check.out + check.err)
    assert.equal(check.code, 0)
    const page = await fetch(`http://127.0.0.1:${httpPort}/`)
    const html = await page.text()
    assert.match(html, /<script type="module" src="(\/assets\/[^"]+\.js)"/)
    const script = await fetch(`http://127.0.0.1:${httpPort}${/src="(\/assets\/[^"]+\.js)"/.exec(html)![1]}`)
    assert.equal(script.status, 200)
    await script.body?.cancel()
    assert.deepEqual([await edge.end(), await server.end(), await charger.end()], [0, 0, 0])
    assert.deepEqual([edge.err, server.err, charger.err], ['', '', ''])
  })

  it('tokens and rejected work on the same database', async () => {
    const env = { DATABASE_URL: databaseUrl }
    const added = await run(chargelift('tokens', 'add', 'prometheus'), env)
    assert.equal(added.code, 0, added.err)
    const listed = await run(chargelift('tokens', 'list'), env)
    assert.match(listed.out, /prometheus/)
    const rejected = await run(chargelift('rejected', 'list'), env)
    assert.equal(rejected.code, 0, rejected.err)
  })

  it('runs as several processes, and stops them all with 0', async () => {
    const server = new Run(chargelift('server', ...serverFlags, '--processes', '2'), {
      DATABASE_URL: databaseUrl,
      REDIS_URL: 'redis://127.0.0.1:1' // unreachable: each process stores without Redis
    })
    const [, httpPort] = await server.saying(/"event":"listening",[^\n]*"httpPort":(\d+),"processes":2/)
    assert.equal((await fetch(`http://127.0.0.1:${httpPort}/healthz`)).status, 200)
    assert.equal(await server.end(), 0)
    assert.equal(server.err, '')
  })

  it('refuses the database of a newer version, and says what to use', async () => {
    const newer = await h.database()
    const first = await startServer(newer)
    assert.equal(await first.server.end(), 0)
    const db = await h.session(newer)
    await db.query("INSERT INTO schema_migrations (version, name) VALUES (999999, 'of_tomorrow')")
    const { code, err } = await run(chargelift('server', ...serverFlags), { DATABASE_URL: newer })
    assert.equal(code, 78)
    assert.match(
      err,
      /expected a database schema of version \d+ or older, found version 999999: .*newer chargelift, use that one/
    )
  })

  it('listens and stops with 0 in the environment that its unit gives it', async () => {
    const unit = readFileSync(join(root, 'build/debian/chargelift-server.service'), 'utf8')
    const malloc = /^Environment=(MALLOC_.*)$/m
      .exec(unit)![1]!
      .split(' ')
      .map(pair => pair.split('=') as [string, string])
    const { server, httpPort } = await startServer(databaseUrl, Object.fromEntries(malloc))
    assert.equal((await fetch(`http://127.0.0.1:${httpPort}/healthz`)).status, 200)
    assert.equal(await server.end(), 0)
    assert.equal(server.err, '')
  })

  it('is under 40 MB to download', async t => {
    const dist = join(root, 'dist/chargelift-linux-x64.xz')
    const isOfThis = existsSync(dist) && (await builtProducts('x64')) === join(root, 'dist')
    if (!isOfThis) cpSync(binary, join(folder, 'copy'))
    if (!isOfThis) execFileSync('xz', ['-6', '--threads=2', join(folder, 'copy')])
    const bytes = statSync(isOfThis ? dist : join(folder, 'copy.xz')).size
    t.diagnostic(`${(bytes / 1e6).toFixed(1)} MB`)
    assert.ok(bytes < 40e6)
  })

  it('the same commit makes the same bytes, wherever it lies: binary and package', { skip: noGit() }, async () => {
    const products = []
    for (const name of ['here', 'in another place']) {
      const checkout = join(folder, name)
      execFileSync('git', ['clone', '--quiet', root, checkout])
      symlinkSync(join(root, 'node_modules'), join(checkout, 'node_modules'))
      await build(checkout, join(checkout, 'dist'), 'x64')
      products.push(
        ['chargelift-linux-x64', packageFile('x64')].map(file => readFileSync(join(checkout, 'dist', file)))
      )
      rmSync(checkout, { recursive: true })
    }
    const [[binary, debian], [otherBinary, otherDebian]] = products as [Buffer[], Buffer[]]
    assert.ok(binary!.equals(otherBinary!), 'the binary')
    assert.ok(debian!.equals(otherDebian!), 'the package')
  })

  it('runs as nobody in a root that holds it and the C++ library alone, as process 1, and writes nowhere', {
    skip: noUnshare()
  }, async () => {
    const jail = join(folder, 'jail')
    const libraries = execFileSync('ldd', [binary], { encoding: 'utf8' }).match(/\/\S+/g) ?? []
    for (const path of ['proc', 'usr/bin', ...libraries.map(dirname)]) mkdirSync(join(jail, path), { recursive: true })
    for (const library of libraries) copyFileSync(library, join(jail, library))
    cpSync(binary, join(jail, 'usr/bin/chargelift'))
    cpSync(join(folder, 'certs'), join(jail, 'certs'), { recursive: true })
    for (const file of ['certs', 'certs/server.key']) chownSync(join(jail, file), nobody, nobody)
    const isolated = ['--mount', '--pid', '--fork', '--kill-child', '--mount-proc', `--root=${jail}`]
    const user = [`--setuid=${nobody}`, `--setgid=${nobody}`]
    const command = ['/usr/bin/unshare', ...isolated, ...user, '/usr/bin/chargelift', 'server', ...serverFlags]
    const server = new Run(command, { DATABASE_URL: databaseUrl, CHARGELIFT_HTTP_PORT: '0' })
    const [, , httpPort] = await server.saying(/"event":"listening","mqttPort":(\d+).*"httpPort":(\d+)/)
    assert.equal((await fetch(`http://127.0.0.1:${httpPort}/readyz`)).status, 200)
    assert.match(server.out, /"pid":1,/)
    // unshare forwards no signals, so the signal goes to its only child.
    const { pid } = server.child
    process.kill(Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')), 'SIGTERM')
    assert.equal(await server.exit, 0)
  })

  describe('for arm64', { skip: noQemu }, () => {
    const arm = join(folder, 'chargelift-arm64')
    const onArm = (...args: string[]): string[] => [qemu, ...qemuArgs, arm, ...args]
    before(async () => cpSync(join(await builtProducts('arm64'), 'chargelift-linux-arm64'), arm))

    it('says its version', async () => {
      const { code, out, err } = await run(onArm('--version'))
      assert.equal(code, 0, err)
      assert.match(out, /^\d+\.\d+\.\d+ \(commit /)
    })

    it('polls, publishes and is acknowledged by a server on x64; --check finds the whole way good', async () => {
      const { server, mqttPort } = await startServer(databaseUrl)
      const charger = new Run(chargelift('demo', 'charger', '--port', '0'))
      const [, chargerUrl] = await charger.saying(/at (http:\S+), devKey/)
      writeEdgeConfig(mqttPort, chargerUrl!)
      const db = await h.session(databaseUrl)
      const newest = async (): Promise<number> =>
        Number((await db.query('SELECT extract(epoch FROM max(time)) AS time FROM ev_readings')).rows[0].time)
      const before = await newest()
      const once = await run(onArm('edge', '--config', 'edge.yaml', '--once'))
      assert.equal(once.code, 0, once.out + once.err)
      assert.match(once.out, /"acknowledged":true/)
      assert.ok((await newest()) > before)
      const check = await run(onArm('edge', '--config', 'edge.yaml', '--check'))
      assert.equal(check.code, 0, check.out + check.err)
      assert.match(check.out, /^ok +store +wallbox-1: stored in/m)
      assert.deepEqual([await charger.end(), await server.end()], [0, 0])
    })
  })
})

/** The user id of the image of deploy/Dockerfile. */
const nobody = 65_532

function noUnshare(): string | false {
  const isAllowed = spawnSync('unshare', ['--mount', '--pid', '--fork', '--mount-proc', 'true']).status === 0
  return process.getuid?.() === 0 && isAllowed ? false : 'needs root, and to be allowed to unshare'
}

function noGit(): string | false {
  return existsSync(join(root, '.git')) ? false : 'needs a repository: git clone'
}
