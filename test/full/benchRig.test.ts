// Runs the whole rig without a database. Real generator processes load a server over real mTLS. The server acknowledges
// messages and stores nothing. The verdict then belongs to the target. A run that fails the verdict must leave nothing
// that looks like a speed.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import type { FloorCalls } from '../../bench/baselines/floorServer.ts'
import { type Child, startChild } from '../../bench/load/calls.ts'
import { columns } from '../../bench/load/columns.ts'
import { ledgerWidth } from '../../bench/load/ledger.ts'
import { Progress } from '../../bench/progress.ts'
import { type Load, measureRun } from '../../bench/rig/measure.ts'
import { fleetNames } from '../../bench/rig/names.ts'
import { nodeCpuOf } from '../../bench/rig/processes.ts'
import type { Target } from '../../bench/rig/target.ts'
import { judge, VerifyError } from '../../bench/rig/verify.ts'
import { Bench } from '../../bench/scenarios/scenario.ts'
import { readSettings } from '../../bench/settings.ts'
import { initAuthority } from '../../src/pki/authority/authority.ts'

const values = columns.slice(0, 4)

describe('a measurement', () => {
  const dir = mkdtempSync(join(tmpdir(), 'chargelift-bench-'))
  const progress = new Progress()
  let server: Child<FloorCalls>

  before(async () => {
    await initAuthority({ dir })
    server = await startChild<FloorCalls>(new URL('../../bench/baselines/floorServer.ts', import.meta.url), {
      certs: dir
    })
  })

  after(async () => {
    server?.kill()
    await server?.ended
    rmSync(dir, { recursive: true, force: true })
  })

  const load = (more: Partial<Load> = {}): Load => ({
    names: fleetNames(dir, 6),
    columns: values,
    qos: 1,
    window: 16,
    rate: undefined,
    seconds: 0.4,
    churn: 0,
    processes: 2,
    ...more
  })

  const target = async (verify: Target['verify']): Promise<Target> => ({
    name: 'floor',
    address: { host: '127.0.0.1', port: await server.call('port'), certs: dir },
    storing: ['main', 'workers', 'helpers'],
    row: 'poll',
    cpu: () => nodeCpuOf(server.pid),
    rssBytes: () => undefined,
    metrics: async () => undefined,
    stored: undefined,
    verify,
    close: async () => {}
  })

  it('of two processes has the figures of both, and a ledger of every message that was acknowledged', async () => {
    const counted = await server.call('counted')
    const { run, ledger } = await measureRun(await target(async () => {}), load(), 1, progress)
    const width = ledgerWidth(values.length)
    const polls = Array.from({ length: 6 }, (_, i) => ledger[i * width]!)
    assert.ok(polls.every(count => count > 0))
    const messages = polls.reduce((sum, count) => sum + count, 0) * values.length
    assert.equal(messages, (await server.call('counted')) - counted)
    assert.ok(run.figures.messagesPerSecond! > 0 && run.figures.ackP50Ms! > 0)
    assert.ok(run.latency.length > 0)
  })

  it('keeps its rate, at QoS 2 as well, while chargers leave and come back', async () => {
    const paced = load({ rate: 400, qos: 2, churn: 100, window: 256 })
    const { run } = await measureRun(await target(async () => {}), paced, 1, progress)
    assert.match(run.verified, /^\d+ acknowledged messages/)
  })

  it('of a server that lost everything has no speed, in no run and no report', async () => {
    const names = fleetNames(dir, 3)
    const loses = await target(async ledger => {
      const findings = judge(names.names, ledger, new Map(), values, 'poll')
      if (findings.length > 0) throw new VerifyError(findings)
    })
    const bench = new Bench(readSettings(['--certs', dir], {}), progress)
    const printed: string[] = []
    bench.progress.print = line => void printed.push(line)
    const run = await bench.attempt('floor', 1, async () => (await measureRun(loses, load({ names }), 1, progress)).run)
    assert.equal(run, undefined)
    assert.deepEqual(bench.runs, [])
    assert.match(bench.failures[0]!.findings.join(), /acknowledged and not stored/)
    assert.match(printed.join(), /NOT verified, no speed/)
  })
})
