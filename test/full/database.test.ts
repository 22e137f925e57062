// Tests databases that neither work nor disappear: a frozen database, and a database on a full disk. No acknowledged
// message is lost, and nothing hangs.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { appendFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { FaultBench } from '../faults/bench.ts'
import type { Device } from '../faults/device.ts'
import { judgeAll } from '../faults/judge.ts'
import { until } from '../harness.ts'

const baseMs = Date.now() - 3_600_000
/** Twice the promised time. */
const stopMsMax = 20_000
const publish = (device: Device, count: number): void => {
  for (let n = 0; n < count; n++) {
    const index = device.sent.length
    device.publish({ name: 'PowerOutput', time: new Date(baseMs + index).toISOString(), value: index })
  }
}
const untilDone = (device: Device): Promise<boolean> =>
  until(
    () => device.isDone,
    isDone => isDone
  )

describe('a database that is frozen', () => {
  const bench = FaultBench.use()

  it('is told by /readyz, keeps nobody from stopping within 10 s with 0, and costs nothing', async t => {
    const { server, postgres, databaseUrl } = bench
    const device = await bench.device('c1')
    publish(device, 10)
    await untilDone(device)
    postgres.freeze()
    publish(device, 10)
    const reasons = await until(
      () => server.reasons(),
      seen => seen.length > 0
    )
    assert.match(reasons.join(), /the database does not answer: nothing within 2 s/)
    const startedMs = performance.now()
    assert.equal(await server.end('SIGTERM'), 0)
    const tookMs = performance.now() - startedMs
    t.diagnostic(`stopped after ${tookMs.toFixed()} ms`)
    assert.ok(tookMs < stopMsMax, `${tookMs} ms`)
    assert.equal(device.acknowledged.size, 10)
    postgres.thaw()
    server.start()
    await untilDone(device)
    await judgeAll(databaseUrl, [device], server)
  })
})

function fillDisk(path: string): void {
  try {
    for (const part = Buffer.alloc(65_536); ; ) appendFileSync(path, part)
  } catch (error) {
    assert.equal((error as NodeJS.ErrnoException).code, 'ENOSPC')
  }
}

/** Undefined if a file system can be mounted, otherwise the reason why not. */
function mountFault(): string | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'chargelift-mount-'))
  const { status } = spawnSync('mount', ['-t', 'tmpfs', 'tmpfs', folder])
  if (status === 0) spawnSync('umount', [folder])
  rmSync(folder, { recursive: true })
  return status === 0 ? undefined : 'needs a right to mount a small file system: run it as root'
}
const missing = mountFault() ?? false

describe('a disk that is full', { skip: missing }, () => {
  const bench = FaultBench.use(folder => {
    mkdirSync(folder)
    spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=200m,mode=700', 'tmpfs', folder])
    bench.onEnd(() => spawnSync('umount', ['--lazy', folder]))
  })

  it('acknowledges nothing, says why, and stores all when there is room again', async () => {
    const { server, databaseUrl, databaseFolder } = bench
    const device = await bench.device('c1')
    publish(device, 100)
    await untilDone(device)
    const ballast = join(databaseFolder, 'ballast')
    fillDisk(ballast)
    // Rows that fit into existing pages are still stored. The device publishes until the disk is full.
    const full = await until(
      async () => {
        if (device.isDone) publish(device, 1_000)
        return (await server.reasons()).join()
      },
      reasons => reasons.includes('53100')
    )
    assert.match(full, /batches are kept and retried: .*No space left on device/)
    const unacknowledged = device.sent.length - device.acknowledged.size
    assert.ok(unacknowledged > 0)
    rmSync(ballast)
    await untilDone(device)
    await server.ready()
    assert.deepEqual([device.disconnects, device.refusals], [0, 0])
    await judgeAll(databaseUrl, [device], server)
  })
})
