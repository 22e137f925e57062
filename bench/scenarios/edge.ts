// Runs a real edge process beside a simulated charger and a real server. Measures the edge's CPU, its memory, and the
// bytes that it writes to disk. Verifies that every sent sample of the Spool is a row.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { startSimulatedCharger } from '../../src/demo/simulatedCharger.ts'
import { spoolBytesDefault } from '../../src/edge/limits.ts'
import { openSpool } from '../../src/edge/spool/spool.ts'
import { Credentials } from '../load/credentials.ts'
import { fleetNames } from '../rig/names.ts'
import { cpuMsOf, peakRssBytesOf, rssBytesOf, writtenBytesOf } from '../rig/processes.ts'
import { type Product, productName } from '../rig/product.ts'
import { VerifyError } from '../rig/verify.ts'
import { type Bench, folder, type Scenario } from './scenario.ts'

export const edge: Scenario = {
  summary: 'a real edge beside a simulated charger: its CPU, its memory, what it writes to disk',
  defaults: { connections: 1, seconds: 60, 'poll-ms': 1_000 },
  run
}

const cli = fileURLToPath(new URL('../../src/cli.ts', import.meta.url))
const devKey = '0000'
/** After this time the edge has connected, published its state, and collected the garbage of its start. */
const startSeconds = 10
const dayPolls = 8_640
/** At this speed a charger's sessions last half a minute. Sessions of a few seconds would not be realistic. */
const chargerSpeed = 8

async function run(bench: Bench): Promise<void> {
  for (let repeat = 1; repeat <= bench.settings.repeats; repeat++) {
    const charger = fleetNames(bench.settings.certs, 1).names[0]!
    const product = await bench.product({ names: { names: [charger], prefix: charger }, columns: [] })
    await bench.using(product, () => beside(bench, product, charger, repeat))
  }
}

async function beside(bench: Bench, product: Product, charger: string, repeat: number): Promise<void> {
  const dir = resolve(folder, `edge-${process.pid}`)
  const simulated = await startSimulatedCharger({ port: 0, devKey, name: charger, speed: chargerSpeed })
  try {
    mkdirSync(dir, { recursive: true })
    await writeConfig(bench, product, dir, charger, simulated.url)
    await bench.attempt(productName, repeat, () => measure(bench, product, dir, charger, repeat))
  } finally {
    await simulated.stop()
    rmSync(dir, { recursive: true, force: true })
  }
}

async function writeConfig(
  bench: Bench,
  { address }: Product,
  dir: string,
  charger: string,
  url: string
): Promise<void> {
  const { certs, 'poll-ms': pollMs = 1_000 } = bench.settings
  const { certificate, key } = (await Credentials.open(certs, [charger])).keyedOf(charger)
  writeFileSync(join(dir, 'edge.pem'), certificate)
  writeFileSync(join(dir, 'edge.key'), key, { mode: 0o600 })
  writeFileSync(
    join(dir, 'edge.yaml'),
    `broker: mqtts://${address.host}:${address.port}
tls:
  ca: ${JSON.stringify(resolve(certs, 'ca.pem'))}
  cert: edge.pem
  key: edge.key
chargers:
  - name: ${charger}
    driver: mennekes-amtron
    url: ${url}
    devKey: "${devKey}"
    pollIntervalMs: ${pollMs}
`
  )
}

async function measure(bench: Bench, product: Product, dir: string, charger: string, repeat: number) {
  const { seconds, 'poll-ms': pollMs = 1_000 } = bench.settings
  const child = spawn(process.execPath, [cli, 'edge', '--config', join(dir, 'edge.yaml')], {
    stdio: ['ignore', 'ignore', 'inherit']
  })
  return bench.using({ close: () => end(child) }, async () => {
    await wait(bench, child, startSeconds, 'starting')
    const pid = child.pid!
    const [cpuMs, written, startedMs] = [cpuMsOf(pid), writtenBytesOf(pid), performance.now()]
    await wait(bench, child, seconds, 'measuring')
    const passedMs = performance.now() - startedMs
    const writtenPerPoll = (writtenBytesOf(pid) - written) / (passedMs / pollMs)
    const figures = {
      edgePercent: ((cpuMsOf(pid) - cpuMs) / passedMs) * 100,
      edgeRssMb: rssBytesOf(pid) / 1e6,
      edgeRssMaxMb: peakRssBytesOf(pid) / 1e6,
      writtenKbPerPoll: writtenPerPoll / 1e3,
      writtenMbPerDay: (writtenPerPoll * dayPolls) / 1e6
    }
    await end(child)
    const verified = await verify(product, dir, charger)
    return { target: productName, repeat, verified, figures, cpuUs: {}, moments: [], latency: [], batchRows: [] }
  })
}

async function wait(bench: Bench, child: ChildProcess, seconds: number, step: string): Promise<void> {
  const startMs = performance.now()
  for (let passed = 0; passed < seconds; passed = (performance.now() - startMs) / 1000) {
    bench.progress.show(`edge: ${step}`, passed / seconds)
    if (child.exitCode !== null)
      throw new Error(`expected an edge that runs, found that it ended with ${child.exitCode}`)
    await sleep(Math.min(250, Math.max(1, (seconds - passed) * 1000)))
  }
}

/** Ends the edge, which sends its remaining samples first. */
async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill('SIGTERM')
  await ended
}

async function verify({ database }: Product, dir: string, charger: string): Promise<string> {
  const spool = openSpool({ path: join(dir, 'spool.sqlite'), maxBytes: spoolBytesDefault })
  try {
    const sampled = spool.newestSeq
    const unsent = spool.page(0, sampled, 1_000).length
    const { rows } = await database.query<{ count: number }>(
      'SELECT count(*)::int AS count FROM ev_readings r JOIN chargers c ON c.id = r.charger_id WHERE c.name = $1',
      [charger]
    )
    const stored = rows[0]!.count
    if (sampled === 0) throw new VerifyError(['the edge has sampled nothing'])
    if (stored !== sampled - unsent) throw new VerifyError([`${sampled} sampled, ${unsent} unsent, ${stored} stored`])
    return `${stored} samples of the spool are rows, ${unsent} wait unsent`
  } finally {
    spool.close()
  }
}
