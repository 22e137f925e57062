// Tests the edge as a process: what it reports to systemd, and a run that ends by itself. `npm run bench -- budgets`
// measures its CPU time and memory.

import assert from 'node:assert/strict'
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { startSimulatedCharger } from '../../src/demo/simulatedCharger.ts'
import { TestAuthority } from '../../src/edge/testing/certificates.ts'
import { FakeBroker } from '../../src/edge/testing/fakeBroker.ts'
import { temporaryFolder } from '../../src/edge/testing/folder.ts'
import { until } from '../harness.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

async function site(t: TestContext) {
  const folder = temporaryFolder(t)
  const authority = await TestAuthority.make()
  const broker = await FakeBroker.start({ ca: authority.ca, ...(await authority.issue('s', { dns: ['localhost'] })) })
  const box = await startSimulatedCharger({ port: 0, devKey: '0000', name: 'wb' })
  t.after(() => Promise.all([broker.stop(), box.stop()]))
  const { cert, key } = await authority.issue('wb')
  const files = { 'ca.pem': authority.ca, 'wb.pem': cert, 'wb.key': key }
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content)
  const config = `broker: mqtts://localhost:${broker.port}
tls: {ca: ca.pem, cert: wb.pem, key: wb.key}
statusFile: status.json
chargers:
  - {name: wb, driver: mennekes-amtron, url: "${box.url}", devKey: "0000", pollIntervalMs: 1000}
`
  const path = join(folder, 'edge.yaml')
  writeFileSync(path, config)
  const start = (env: Record<string, string> = {}, ...flags: string[]): ChildProcess => {
    const child = spawn(process.execPath, ['src/cli.ts', 'edge', '--config', path, ...flags], {
      cwd: root,
      stdio: ['ignore', 'ignore', 'inherit'],
      env: { ...process.env, XDG_CACHE_HOME: join(folder, 'cache'), ...env }
    })
    t.after(() => child.kill('SIGKILL'))
    return child
  }
  return { folder, broker, start }
}

function hasCommand(name: string, ...args: string[]): boolean {
  try {
    execFileSync(name, args, { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

const skip =
  hasCommand('systemd-notify', '--version') && hasCommand('python3', '--version')
    ? false
    : 'needs systemd-notify and python3 (apt install systemd python3)'

/** A Python program that receives datagrams on an AF_UNIX socket, because Node cannot. */
const listener = `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print('bound', flush=True)
while True: print(s.recv(4096).decode().strip(), flush=True)
`

test('systemd is told that the edge is ready, alive and stopping; SIGTERM ends it with 0', { skip }, async t => {
  const { folder, broker, start } = await site(t)
  const socket = join(folder, 'notify')
  const python = spawn('python3', ['-c', listener, socket], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.after(() => python.kill('SIGKILL'))
  const told: string[] = []
  createInterface({ input: python.stdout! }).on('line', line => told.push(line))
  await until(
    () => told,
    lines => lines.includes('bound')
  )
  const edge = start({ NOTIFY_SOCKET: socket, WATCHDOG_USEC: '1000000' })
  await until(
    () => told,
    lines => lines.filter(line => line === 'WATCHDOG=1').length >= 2
  )
  await until(
    () => broker.publishes,
    count => count > 0
  )
  const status = JSON.parse(readFileSync(join(folder, 'status.json'), 'utf8'))
  assert.match(status.chargers.wb.Version, /^\d/)
  edge.kill('SIGTERM')
  const [code] = await once(edge, 'close')
  assert.equal(code, 0)
  const words = told.filter(line => /^(READY|WATCHDOG|STOPPING)=1$/.test(line))
  assert.equal(words[0], 'READY=1')
  assert.equal(words.at(-1), 'STOPPING=1')
  assert.equal(broker.goodbyes, 1)
  assert.throws(() => readFileSync(join(folder, 'status.json')))
})

test('--once polls once, waits for the acknowledgements and exits 0', async t => {
  const { broker, start } = await site(t)
  const [code] = await once(start({}, '--once'), 'close')
  assert.equal(code, 0)
  const times = new Set(broker.published.map(({ timeMs }) => timeMs))
  assert.equal(times.size, 1, 'one poll')
  assert.ok(broker.published.some(({ name }) => name === 'TotalEnergyConsumption'))
})
