// Follows the documentation: every command of every page runs, in order, in a folder of the page. A page may start with
// an installed server, or with a whole site with an edge and a simulated charger. test/docs/markdown.ts defines each
// kind of block.

import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync
} from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, type TestContext, test } from 'node:test'
import pg from 'pg'
import { parse } from 'yaml'
import { startSimulatedCharger } from '../../src/demo/simulatedCharger.ts'
import { type Cluster, findPrograms, startCluster } from '../docs/cluster.ts'
import { blocksOf } from '../docs/markdown.ts'
import { freePort, Reader, root } from '../docs/reader.ts'
import { Harness, until } from '../harness.ts'

const harness = Harness.use()
const programs = findPrograms()
const noPrograms = programs === undefined && 'needs PostgreSQL of the system: apt-get install postgresql'
const dir = mkdtempSync(join(tmpdir(), 'chargelift-docs-'))
let cluster: Cluster | undefined
const readers: Reader[] = []

before(async () => {
  if (programs !== undefined) cluster = startCluster(programs, dir, await freePort())
})
after(async () => {
  for (const reader of readers) await reader.end()
  cluster?.stop()
  cluster = undefined
  rmSync(dir, { recursive: true, force: true, maxRetries: 5 })
})

// An interrupted test runner would leave services behind, because they are separate processes.
process.once('exit', () => {
  if (!existsSync(dir)) return
  for (const reader of readers) reader.kill()
  cluster?.stop()
  rmSync(dir, { recursive: true, force: true })
})
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => process.exit(1))

interface Setting {
  /** Installed and running before the page starts: the server alone, or also an edge and its charger. */
  readonly runs?: 'server' | 'site'
  /** Uses the PostgreSQL of the system, because the page needs its client programs. */
  readonly onCluster?: boolean
  /** Functions to run before a block, by a text that the block contains. */
  readonly before?: Readonly<Record<string, (reader: Reader, databaseUrl: string) => Promise<unknown>>>
  /** DATABASE_URL is set and the tables exist. */
  readonly hasDatabase?: boolean
}

const text = (page: string): string => readFileSync(join(root, page), 'utf8')

async function follow(t: TestContext, page: string, setting: Setting = {}): Promise<Reader> {
  const box = await startSimulatedCharger({ port: 0, devKey: '0000', name: 'wallbox-1', speed: 4 })
  t.after(() => box.stop())
  const databaseUrl = setting.onCluster
    ? `postgres://chargelift:PASSWORD@127.0.0.1:${cluster!.port}/chargelift`
    : await harness.database()
  const folder = join(dir, page.replaceAll(/\W/g, '-'))
  mkdirSync(folder)
  const reader = await Reader.open({
    dir: folder,
    databaseUrl,
    chargerPort: box.port,
    ...(setting.onCluster && { programs: programs! })
  })
  readers.push(reader)
  if (setting.runs === undefined) settings(reader)
  else await installServer(reader, databaseUrl)
  if (setting.runs === 'site') await installEdge(reader, databaseUrl)
  if (setting.hasDatabase) await reader.runs(`export DATABASE_URL='${databaseUrl}'; chargelift db migrate`)
  for (const block of blocksOf(text(page))) {
    const does = block.language === 'sh' || block.language === 'sql' || block.file !== undefined
    if (!does) continue
    const first = block.text.trim().split('\n')[0]
    const skip = block.notRun ?? reader.lacks(block)
    await t.test(`line ${block.line}: ${block.file ?? first}`, skip === undefined ? {} : { skip }, async () => {
      for (const [what, act] of Object.entries(setting.before ?? {}))
        if (block.text.includes(what)) await act(reader, databaseUrl)
      await reader.does(block)
    })
  }
  await reader.stop()
  return reader
}

/** Writes the settings file of the package. */
function settings(reader: Reader, more = ''): void {
  const env = readFileSync(join(root, 'build/debian/server.env'), 'utf8')
  writeFileSync(join(reader.dir, 'etc/chargelift/server.env'), `${reader.replaced(env)}\n${more}`)
}

/** Installs a server as docs/install-server.md does. */
async function installServer(reader: Reader, databaseUrl: string): Promise<void> {
  settings(reader, `DATABASE_URL=${databaseUrl}\n`)
  await reader.runs(`
    chargelift certs init --host localhost
    cp certs/ca.pem certs/server.pem certs/server.key certs/crl.pem ${reader.dir}/etc/chargelift/certs/
    systemctl enable --now chargelift-server`)
}

/** Installs an edge as docs/install-pi.md does on a Pi, but with a poll every second. */
async function installEdge(reader: Reader, databaseUrl: string): Promise<void> {
  const broker = `mqtts://localhost:${reader.mqttPort}`
  await reader.runs(`
    chargelift certs issue wallbox-1
    chargelift certs bundle wallbox-1 --broker ${broker} --dev-key 0000 --url http://127.0.0.1:${reader.chargerPort}
    tar -xf wallbox-1.tar -C ${reader.dir}/etc/chargelift/edge`)
  const file = join(reader.dir, 'etc/chargelift/edge/wallbox-1/edge.yaml')
  writeFileSync(file, readFileSync(file, 'utf8').replace(/( +)devKey:.*/, '$&\n$1pollIntervalMs: 1000'))
  await reader.runs('systemctl enable --now chargelift-edge@wallbox-1')
  await until(
    () => query(databaseUrl, 'SELECT 1 FROM ev_readings WHERE total_energy_consumption IS NOT NULL LIMIT 1'),
    rows => rows.length === 1
  )
}

async function query(databaseUrl: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  try {
    return (await client.query(sql)).rows
  } finally {
    await client.end()
  }
}

describe('every command of a page works', () => {
  test('docs/api.md', t => follow(t, 'docs/api.md', { runs: 'site' }).then(() => {}))

  test('docs/certificates.md', t => follow(t, 'docs/certificates.md', { runs: 'site' }).then(() => {}))

  test('README.md', async t => {
    // Step 3 of the page says this in words.
    const fillIn = (reader: Reader) =>
      reader.runs(`
        cp certs/ca.pem certs/devices/wallbox-1.pem certs/devices/wallbox-1.key .
        sed -e 's#mqtts://.*#mqtts://localhost:${reader.mqttPort}#' -e 's#http://192.*#http://127.0.0.1:${reader.chargerPort}#' \\
          ${join(root, 'edge.example.yaml')} > edge.yaml`)
    await follow(t, 'README.md', { hasDatabase: true, before: { '--config edge.yaml --check': fillIn } })
  })

  test('docs/edge.md', async t => {
    const copy = (reader: Reader) => reader.runs(`cp ${reader.dir}/etc/chargelift/edge/wallbox-1/* .`)
    await follow(t, 'docs/edge.md', { runs: 'site', before: { '--config edge.yaml --check': copy } })
  })

  test('docs/database.md', async t => {
    const certs = (reader: Reader) => reader.runs('chargelift certs init')
    await follow(t, 'docs/database.md', { hasDatabase: true, before: { '--retention-days': certs } })
  })

  test('docs/history.md', t => follow(t, 'docs/history.md', { hasDatabase: true }).then(() => {}))

  test('docs/install-server.md', t => follow(t, 'docs/install-server.md').then(() => {}))

  test('docs/install-pi.md', t => follow(t, 'docs/install-pi.md', { runs: 'server' }).then(() => {}))

  test('docs/troubleshooting.md', t => follow(t, 'docs/troubleshooting.md', { runs: 'site' }).then(() => {}))

  test('docs/upgrade.md', async t => {
    const newer = "INSERT INTO schema_migrations (version, name) VALUES (1000, 'of a newer chargelift')"
    await follow(t, 'docs/upgrade.md', { runs: 'site', before: { 'db migrate': (_, url) => query(url, newer) } })
  })

  test('docs/operations.md', t => follow(t, 'docs/operations.md', { runs: 'site' }).then(() => {}))

  test('docs/mennekes.md', t => follow(t, 'docs/mennekes.md').then(() => {}))

  test('docs/own-database.md', { skip: noPrograms }, async t => {
    await follow(t, 'docs/own-database.md', { onCluster: true })
    const admin = `postgres://postgres@127.0.0.1:${cluster!.port}/postgres`
    await query(admin, 'DROP DATABASE chargelift WITH (FORCE)')
    await query(admin, 'DROP ROLE chargelift')
  })
})

describe('docs/backup.md', { skip: noPrograms }, () => {
  test("yesterday's backup is restored, the edge sends what came since, and every row is there", async t => {
    const server = `127.0.0.1:${cluster!.port}`
    await query(`postgres://postgres@${server}/postgres`, "CREATE ROLE chargelift LOGIN CREATEDB PASSWORD 'PASSWORD'")
    await query(`postgres://postgres@${server}/postgres`, 'CREATE DATABASE chargelift OWNER chargelift')
    const urlOf = (name: string) => `postgres://chargelift:PASSWORD@${server}/${name}`
    const keys = async (name: string): Promise<Set<string>> =>
      new Set(
        (await query(urlOf(name), 'SELECT charger_id, time, power_output FROM ev_readings')).map(row =>
          JSON.stringify(row)
        )
      )
    let inBackup = 0
    await follow(t, 'docs/backup.md', {
      runs: 'site',
      onCluster: true,
      before: {
        // Waits for rows that the backup does not have.
        'systemctl stop chargelift-server': async () => {
          inBackup = (await keys('chargelift')).size
          await until(
            () => keys('chargelift'),
            seen => seen.size >= inBackup + 5
          )
        },
        // The restored database lacks rows until the edge has sent its acknowledged samples again.
        'edge replay': async () => {
          const [before, restored] = [await keys('chargelift'), await keys('chargelift_restored')]
          assert.ok([...before].some(key => !restored.has(key)))
        },
        'SELECT name, count(*)': async () => {
          const before = [...(await keys('chargelift'))]
          await until(
            () => keys('chargelift_restored'),
            restored => before.every(key => restored.has(key)),
            120_000
          )
        }
      }
    })
    assert.ok(inBackup > 0)
  })
})

describe('docs/add-a-charger.md', () => {
  test('the example type-checks, is in the house style, and passes the contract of every driver', async t => {
    const checkout = mkdtempSync(join(dir, 'checkout-'))
    for (const name of ['src', 'package.json', 'biome.json'])
      cpSync(join(root, name), join(checkout, name), { recursive: true })
    const config = JSON.parse(readFileSync(join(root, 'tsconfig.json'), 'utf8'))
    writeFileSync(join(checkout, 'tsconfig.json'), JSON.stringify({ ...config, include: ['src/edge'] }))
    symlinkSync(join(root, 'node_modules'), join(checkout, 'node_modules'))
    const page = text('docs/add-a-charger.md')
    for (const { file, text: content } of blocksOf(page)) {
      if (file === undefined) continue
      mkdirSync(join(checkout, file, '..'), { recursive: true })
      writeFileSync(join(checkout, file), content)
    }
    const line = blocksOf(page).find(block => block.file === undefined && block.language === 'ts')!.text
    const registry = join(checkout, 'src/edge/chargers/registry.ts')
    const start = 'const drivers: Readonly<Record<string, Entry>> = {\n'
    const source = readFileSync(registry, 'utf8')
    assert.ok(source.includes(start))
    writeFileSync(registry, source.replace(start, start + line))
    for (const command of blocksOf(page)
      .filter(({ language }) => language === 'sh')
      .flatMap(block => block.text.trim().split('\n'))) {
      await t.test(command, () => {
        const { NODE_TEST_CONTEXT: _context, ...env } = process.env
        const { status, stdout, stderr } = spawnSync('bash', ['-c', command], { cwd: checkout, env, encoding: 'utf8' })
        assert.equal(status, 0, stdout + stderr)
      })
    }
  })
})

describe('docs/smart-home.md', () => {
  type Payloads = ReadonlyMap<string, string>
  let reader: Reader
  let payloads: Payloads

  test('every command of it works', async t => {
    reader = await follow(t, 'docs/smart-home.md', { runs: 'site' })
    const sub = `mosquitto_sub $certs -h localhost -p ${reader.mqttPort} -i homeassistant -V mqttv311`
    if (reader.lacks({ ...blocksOf('```sh\nmosquitto_sub -h\n```\n')[0]! }))
      return t.skip('apt-get install mosquitto-clients')
    payloads = await until(
      async () => {
        const told = await reader.runs(`${sub} -t 'chargers/wallbox-1/#' -v -W 2 || [ $? = 27 ]`)
        return new Map(
          told
            .trim()
            .split('\n')
            .map(line => [line.split(' ')[0]!, line.slice(line.indexOf(' ') + 1)])
        )
      },
      seen => seen.has('chargers/wallbox-1/PowerOutput') && seen.has('chargers/wallbox-1/TotalEnergyConsumption')
    )

    await t.test(
      'as Home Assistant comes out of the box it is refused: its will, its birth message, not its discovery',
      async () => {
        const quietly = '>/dev/null 2>&1'
        await reader.runs(
          `! ${sub} -t 'chargers/wallbox-1/#' -C 1 -W 5 --will-topic homeassistant/status --will-payload offline ${quietly}`
        )
        const pub = sub.replace('mosquitto_sub', 'mosquitto_pub')
        await reader.runs(`! ${pub} -t homeassistant/status -m online -q 1 ${quietly}`)
        const told = await reader.runs(
          `${sub} -t homeassistant/# -t chargers/wallbox-1/PowerOutput -C 1 -W 5 2>/dev/null`
        )
        assert.match(told, /"Value"/)
        const log = await reader.runs('journalctl -u chargelift-server')
        assert.match(log, /"rule":"will_topic"/)
        assert.match(log, /"rule":"publish_topic"/)
      }
    )
  })

  test('a Mosquitto with the bridge of the page has the values, retained', async t => {
    if (spawnSync('mosquitto', ['-h']).error) return t.skip('apt-get install mosquitto')
    if (payloads === undefined) return t.skip('apt-get install mosquitto-clients')
    const port = await freePort()
    writeFileSync(
      join(reader.page, 'mosquitto.conf'),
      `user ${userInfo().username}\nlistener ${port} 127.0.0.1\nallow_anonymous true\n${readFileSync(join(reader.page, 'bridge.conf'), 'utf8')}`
    )
    const mosquitto = spawn('mosquitto', ['-c', 'mosquitto.conf'], { cwd: reader.page, stdio: 'ignore' })
    t.after(() => mosquitto.kill())
    const topic = 'chargers/wallbox-1/TotalEnergyConsumption'
    const told = await until(
      () => reader.runs(`mosquitto_sub -h 127.0.0.1 -p ${port} -t ${topic} -C 1 -W 2 2>&1 || true`),
      output => output.includes('{')
    )
    assert.ok(JSON.parse(told).Value > 0)
  })

  const snippet = (file: string): string =>
    blocksOf(text('docs/smart-home.md')).find(block => block.file === file)!.text

  test('Home Assistant gets bare numbers in W and kWh, and the state as a word', t => {
    if (payloads === undefined) return t.skip('apt-get install mosquitto-clients')
    const { mqtt } = parse(snippet('configuration.yaml'))
    const seen = mqtt.sensor.map((sensor: Record<string, string>) => {
      const payload = payloads.get(sensor.state_topic!)
      assert.ok(payload, sensor.state_topic)
      if (sensor.availability_topic !== undefined) {
        // Home Assistant expects these words by default.
        assert.match(
          rendered(sensor.availability_template!, payloads.get(sensor.availability_topic)!),
          /^(online|offline)$/
        )
      }
      const { Value } = JSON.parse(payload)
      return { unit: sensor.unit_of_measurement, is: rendered(sensor.value_template!, payload), Value }
    })
    assert.deepEqual(
      seen.map(({ unit, is }: { unit?: string; is: string }) => [unit, is]),
      seen.map(({ unit, Value }: { unit?: string; Value: number }) => [
        unit,
        String(unit === 'kWh' ? Value / 1000 : Value)
      ])
    )
    assert.deepEqual(
      seen.map(({ unit }: { unit?: string }) => unit),
      ['W', 'kWh', undefined]
    )
  })

  test('evcc gets W and kWh', t => {
    if (payloads === undefined) return t.skip('apt-get install mosquitto-clients')
    const [{ power, energy }] = parse(snippet('evcc.yaml')).meters
    const readingOf = ({ topic, jq, scale = 1 }: { topic: string; jq: string; scale?: number }): number =>
      Number(queried(jq, payloads.get(topic)!)) * scale
    const stored = (name: string): number => JSON.parse(payloads.get(`chargers/wallbox-1/${name}`)!).Value
    assert.equal(readingOf(power), stored('PowerOutput'))
    assert.ok(Math.abs(readingOf(energy) - stored('TotalEnergyConsumption') / 1000) < 1e-9)
    assert.ok(stored('TotalEnergyConsumption') > 0)
  })
})

/** Evaluates the only kind of Jinja template that the page uses: `{{ value_json.NAME }}`, with a division. */
function rendered(template: string, payload: string): string {
  const [, name, by = '1'] = /^\{\{ value_json\.(\w+)(?: \/ (\d+))? \}\}$/.exec(template) ?? []
  assert.ok(name, `expected a template that this test can evaluate, found ${template}`)
  const value = JSON.parse(payload)[name]
  return String(typeof value === 'number' ? value / Number(by) : value)
}

/** Runs jq if it is installed. Otherwise evaluates the only filter of the page. */
function queried(filter: string, payload: string): string {
  const { error, stdout } = spawnSync('jq', ['-r', filter], { input: payload, encoding: 'utf8' })
  if (error === undefined) return stdout.trim()
  assert.equal(filter, '.Value')
  return String(JSON.parse(payload).Value)
}

// All other pages need no special setting.
const followed = new Set(readFileSync(import.meta.filename, 'utf8').match(/docs\/[\w-]+\.md/g))
for (const page of readdirSync(join(root, 'docs')).map(name => `docs/${name}`)) {
  const isNew = page.endsWith('.md') && !followed.has(page)
  if (isNew && blocksOf(text(page)).some(({ language, notRun }) => language === 'sh' && notRun === undefined))
    test(page, t => follow(t, page, { runs: 'site' }).then(() => {}))
}
