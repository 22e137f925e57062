// Measures the edge as a process, started from source: its memory and its share of a core at one poll a second, and its
// memory while it sends a backlog of a million values.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { startSimulatedCharger } from '../../src/demo/simulatedCharger.ts'
import { TestAuthority } from '../../src/edge/testing/certificates.ts'
import { FakeBroker } from '../../src/edge/testing/fakeBroker.ts'
import { fillSpool } from '../../src/edge/testing/fillSpool.ts'
import { memoryFolder, temporaryFolder } from '../../src/edge/testing/folder.ts'
import { cpuMsOf, rssBytesOf } from '../rig/processes.ts'
import type { Bench } from '../scenarios/scenario.ts'
import { atLeast, atMost, type Budget, mebibytes } from './budget.ts'
import { type Ends, withEnds } from './ends.ts'

const cli = fileURLToPath(new URL('../../src/cli.ts', import.meta.url))
const devKey = '0000'
const residentMbMax = 110
/** In percent of a core at full speed. */
const shareMax = 2
/** The lowest measured share of the least program, in percent of a core (2026, Intel Xeon, virtual). */
const leastShare = 0.35
/**
 * Three edges and three least programs, because the first process that runs in a second wakes the core for the others.
 */
const pairs = 3
const samples = 62_500
const backlogChargers = ['million-1', 'million-2', 'million-3', 'million-4']
const valuesPerSample = 4
const backlogGrowthMbMax = 15
const valuesPerSecondMin = 10_000

/**
 * The least program that could be an edge: once a second it asks the charger, reads the answer and writes the answer to
 * disk.
 */
const least = `
  import { fsyncSync, openSync, writeSync } from 'node:fs'
  import { get } from 'node:http'
  const file = openSync(process.argv[2], 'w')
  setInterval(() => get(process.argv[1], async answer => {
    const text = (await answer.toArray()).join('')
    writeSync(file, JSON.stringify(JSON.parse(text)), 0)
    fsyncSync(file)
  }).on('error', () => {}), 1_000)`

/**
 * Some causes slow the edge down from outside: a neighbour of a virtual machine, or caches that the core lost in its
 * sleep. They slow the least program down, too. The bench measures both in the same seconds and divides the edge's
 * share by the slowdown of the least program.
 */
export const edgeBudgets = (bench: Bench): Promise<Budget[]> =>
  withEnds(async ends => {
    const sites = await Promise.all(Array.from({ length: pairs }, () => openSite(ends)))
    const edges = sites.map(site => startEdge(ends, site).pid!)
    const references = sites.map(site => startLeast(ends, site).pid!)
    for (const { broker } of sites) await untilTrue(() => broker.publishes > 10)
    const { seconds } = bench.settings
    bench.progress.show('budgets: edge')
    const shares = await sharesOfCore([...edges, ...references], seconds * 1_000)
    const [share, reference] = [mean(shares.slice(0, pairs)), mean(shares.slice(pairs))]
    return [
      atMost('edge: memory at a poll a second', mebibytes(Math.max(...edges.map(rssBytesOf))), residentMbMax, 'MiB'),
      atMost('edge: share of a core at a poll a second', share / Math.max(1, reference / leastShare), shareMax, '%')
    ]
  })

export const backlogBudgets = (bench: Bench): Promise<Budget[]> =>
  withEnds(async ends => {
    const site = await openSite(ends, backlogChargers)
    site.broker.keeps = false
    const spool = join(memoryFolder(ends), 'spool.sqlite')
    const startMs = Date.now() - samples * 10_000
    for (const charger of backlogChargers) {
      fillSpool(spool, samples, backlogValues, { timeMs: i => startMs + i * 10_000, charger })
    }
    const edge = startEdge(ends, site, { spool, pollIntervalMs: 10_000 })
    const values = backlogChargers.length * samples * valuesPerSample
    await untilTrue(() => site.broker.publishes > 0)
    const [resident, startedMs]: [number[], number] = [[], performance.now()]
    await untilTrue(() => {
      resident.push(mebibytes(rssBytesOf(edge.pid!)))
      bench.progress.show('budgets: a million values', site.broker.publishes / values)
      return site.broker.publishes >= values
    })
    const seconds = (performance.now() - startedMs) / 1_000
    const early = Math.max(...resident.slice(0, Math.ceil(resident.length / 4)))
    const most = Math.max(...resident)
    return [
      atMost('edge: memory while a million values drain', most, residentMbMax, 'MiB'),
      atMost('edge: its growth after the first quarter', most - early, backlogGrowthMbMax, 'MiB'),
      atLeast('edge: values of a backlog acknowledged', values / seconds, valuesPerSecondMin, '/s')
    ]
  })

const backlogValues = (i: number) => ({
  TotalEnergyConsumption: 20 * i,
  SessionEnergy: i,
  PowerOutput: i % 11_000,
  OutputCurrent: (i % 160) / 10
})

interface Site {
  readonly folder: string
  readonly broker: FakeBroker
  readonly chargerUrl: string
  readonly chargers: readonly string[]
}

async function openSite(ends: Ends, chargers: readonly string[] = ['wb']): Promise<Site> {
  const folder = temporaryFolder(ends)
  const authority = await TestAuthority.make()
  const broker = await FakeBroker.start({ ca: authority.ca, ...(await authority.issue('s', { dns: ['localhost'] })) })
  ends.after(() => broker.stop())
  const box = await startSimulatedCharger({ port: 0, devKey, name: 'wb' })
  ends.after(() => box.stop())
  const { cert, key } = await authority.issue('site', { uris: chargers.map(name => `urn:chargelift:charger:${name}`) })
  const files = { 'ca.pem': authority.ca, 'site.pem': cert, 'site.key': key }
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content)
  return { folder, broker, chargerUrl: box.url, chargers }
}

function startEdge(
  ends: Ends,
  { folder, broker, chargerUrl, chargers }: Site,
  { spool = join(folder, 'spool.sqlite'), pollIntervalMs = 1_000 } = {}
): ChildProcess {
  const entries = chargers.map(name => ({
    name,
    driver: 'mennekes-amtron',
    url: chargerUrl,
    devKey,
    pollIntervalMs
  }))
  const config = join(folder, 'edge.yaml')
  writeFileSync(
    config,
    `broker: mqtts://localhost:${broker.port}
tls: {ca: ca.pem, cert: site.pem, key: site.key}
spool: {path: ${JSON.stringify(spool)}}
chargers: ${JSON.stringify(entries)}
`
  )
  const { NODE_COMPILE_CACHE: _, ...env } = process.env
  // As users run the edge, with a code cache that is not shared with other runs.
  return startChild(ends, [cli, 'edge', '--config', config], { ...env, XDG_CACHE_HOME: join(folder, 'cache') })
}

function startLeast(ends: Ends, { chargerUrl, folder }: Site): ChildProcess {
  const url = `${chargerUrl}/MHCP/1.0/ChargeData?DevKey=${devKey}`
  return startChild(ends, ['--input-type=module', '-e', least, url, join(folder, 'answer')], process.env)
}

function startChild(ends: Ends, args: readonly string[], env: NodeJS.ProcessEnv): ChildProcess {
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'], env })
  const ended = once(child, 'exit')
  ends.after(() => {
    child.kill('SIGKILL')
    return ended
  })
  return child
}

/** The share of a core of each process over the next `ms`, in percent. */
async function sharesOfCore(pids: readonly number[], ms: number): Promise<number[]> {
  const before = pids.map(cpuMsOf)
  const startedMs = performance.now()
  await sleep(ms)
  const passedMs = performance.now() - startedMs
  return pids.map((pid, at) => ((cpuMsOf(pid) - before[at]!) / passedMs) * 100)
}

async function untilTrue(isTrue: () => boolean, timeoutMs = 300_000): Promise<void> {
  for (const deadlineMs = performance.now() + timeoutMs; !isTrue(); await sleep(50)) {
    if (performance.now() > deadlineMs) throw new Error(`waited ${timeoutMs / 1_000} s for an edge that does its work`)
  }
}

const mean = (numbers: readonly number[]): number => numbers.reduce((sum, number) => sum + number, 0) / numbers.length
