// Measures the start of the server as a process, from source and as the single binary: the CPU time until the server
// listens, and its memory.

import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { temporaryFolder } from '../../src/edge/testing/folder.ts'
import { median } from '../report/result.ts'
import { scrape } from '../rig/metrics.ts'
import { cpuMsOf, rssBytesOf } from '../rig/processes.ts'
import type { Bench } from '../scenarios/scenario.ts'
import { atMost, type Budget, mebibytes } from './budget.ts'
import { withEnds } from './ends.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const cli = join(root, 'src/cli.ts')
const binary = join(root, `dist/chargelift-linux-${process.arch}`)
const unit = join(root, 'build/debian/chargelift-server.service')

/** The bounds on CPU time are for a machine on which nothing slows Node itself down. */
const sourceCpuMsMax = 1_000
const binaryCpuMsMax = 400
const sourceMbMax = 180
const binaryMbMax = 140
/** Node's TypeScript stripper would add 20 MiB. */
const firstStartMbMax = 14
const starts = 5
/** The CPU time of a Node process that does nothing, on a quiet machine of 2026 (Intel Xeon, virtual). */
const bareStartQuietMs = 28
const startTimeoutMs = 60_000

interface Start {
  readonly cpuMs: number
  readonly mb: number
  /** The slowdown of a bare Node process just before the start, relative to a quiet machine. At least 1. */
  readonly slowdown: number
}

export const sourceBudgets = (bench: Bench): Promise<Budget[]> =>
  withEnds(async ends => {
    const { NODE_COMPILE_CACHE: _, ...inherited } = process.env
    const env = { ...inherited, NODE_COMPILE_CACHE: join(temporaryFolder(ends), 'cache') }
    const command = [process.execPath, cli]
    const first = await measureStart(bench, command, env, true)
    const next = await measureStart(bench, command, env, true)
    const more: Start[] = []
    for (let i = 1; i < starts; i++) more.push(await measureStart(bench, command, env, false))
    return [
      atMost('server from source: CPU until it listens', quietCpuMs([next, ...more]), sourceCpuMsMax, 'ms'),
      atMost('server from source: memory at rest', next.mb, sourceMbMax, 'MiB'),
      atMost('server from source: more memory at the first start', first.mb - next.mb, firstStartMbMax, 'MiB')
    ]
  })

export async function binaryBudgets(bench: Bench): Promise<Budget[]> {
  if (!existsSync(binary)) {
    bench.skipped.push('server as the binary: npm run build first')
    return []
  }
  // The same environment as the systemd unit sets.
  const malloc = /^Environment=(MALLOC_.*)$/m.exec(readFileSync(unit, 'utf8'))![1]!.split(' ')
  const env = { ...process.env, ...Object.fromEntries(malloc.map(pair => pair.split('=') as [string, string])) }
  const found: Start[] = []
  for (let i = 0; i < starts; i++) found.push(await measureStart(bench, [binary], env, false))
  return [
    atMost('server as the binary: CPU until it listens', quietCpuMs(found), binaryCpuMsMax, 'ms'),
    atMost('server as the binary: memory', Math.min(...found.map(({ mb }) => mb)), binaryMbMax, 'MiB')
  ]
}

/** The median CPU time, corrected by the slowdown of the whole machine. */
const quietCpuMs = (found: readonly Start[]): number => median(found.map(({ cpuMs, slowdown }) => cpuMs / slowdown))

/**
 * Starts a server and measures the start. With `toRest`, the memory is read when the history thread has worked, too.
 * Without `toRest`, the memory is read as soon as the server listens.
 */
async function measureStart(
  bench: Bench,
  [file = '', ...args]: readonly string[],
  env: NodeJS.ProcessEnv,
  toRest: boolean
): Promise<Start> {
  bench.progress.show('budgets: server start')
  const database = await (await bench.databases()).fresh()
  const { certs } = bench.settings
  const flags = ['--mqtt-host', '127.0.0.1', '--mqtt-port', '0', '--http-port', '0', '--log-level', 'info']
  const tls = ['ca:ca.pem', 'cert:server.pem', 'key:server.key', 'crl:crl.pem'].flatMap(pair => {
    const [flag, name] = pair.split(':')
    return [`--tls-${flag}`, join(certs, name!)]
  })
  const slowdown = Math.max(1, bareStartMs() / bareStartQuietMs)
  const child = spawn(file, [...args, 'server', ...flags, ...tls], {
    env: { ...env, DATABASE_URL: database.url },
    stdio: ['ignore', 'pipe', 'inherit']
  })
  const ended = once(child, 'exit')
  try {
    const httpPort = await listening(child)
    const cpuMs = cpuMsOf(child.pid!)
    if (toRest) await atRest(httpPort)
    return { cpuMs, mb: mebibytes(rssBytesOf(child.pid!)), slowdown }
  } finally {
    child.kill('SIGTERM')
    await ended
    await database.close()
  }
}

async function listening(child: ChildProcess): Promise<number> {
  const timer = setTimeout(() => child.kill('SIGKILL'), startTimeoutMs)
  for await (const line of createInterface({ input: child.stdout! })) {
    const { msg, httpPort } = JSON.parse(line)
    if (msg !== 'listening') continue
    clearTimeout(timer)
    child.stdout!.resume()
    return httpPort
  }
  throw new Error('expected a server that listens, found one that ended')
}

async function atRest(httpPort: number): Promise<void> {
  const derived = 'chargelift_maintenance_last_success_timestamp_seconds'
  for (const deadlineMs = performance.now() + startTimeoutMs; ; await sleep(100)) {
    const metrics = await scrape(`http://127.0.0.1:${httpPort}/metrics`)
    if ((metrics?.values.get(derived) ?? 0) > 0) return
    if (performance.now() > deadlineMs) throw new Error('expected a server whose history works, found none')
  }
}

function bareStartMs(): number {
  const used = 'const { user, system } = process.cpuUsage(); (user + system) / 1000'
  return Number(execFileSync(process.execPath, ['-p', used], { encoding: 'utf8' }))
}
