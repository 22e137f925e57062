// Runs the bench as a user does: the list, a short run with its JSON and HTML, a comparison, and wrong flags.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'

const program = fileURLToPath(new URL('../../bench/fleet.ts', import.meta.url))
const dir = mkdtempSync(join(tmpdir(), 'chargelift-bench-'))
after(() => rmSync(dir, { recursive: true, force: true }))

/** Runs the bench in a separate folder. A bench that runs in the checkout holds the lock of its database. */
async function bench(...args: string[]): Promise<{ code: number | null; out: string; err: string }> {
  const child = spawn(process.execPath, [program, ...args], { cwd: dir })
  let [out, err] = ['', '']
  child.stdout.on('data', chunk => {
    out += chunk
  })
  child.stderr.on('data', chunk => {
    err += chunk
  })
  const code = await new Promise<number | null>(resolve => child.once('close', resolve))
  return { code, out, err }
}

test('without a scenario it lists them, and all faults of flags come at once with exit code 78', async () => {
  const list = await bench()
  assert.equal(list.code, 0)
  for (const name of [
    'spool-drain',
    'fleet',
    'paced',
    'connect-storm',
    'idle-connections',
    'database-outage',
    'soak',
    'budgets'
  ])
    assert.match(list.out, new RegExp(`^ {2}${name} `, 'm'))
  const faulty = await bench('fleet', '--connections', 'many', '--qos', '3')
  assert.equal(faulty.code, 78)
  assert.match(faulty.err, /^--connections: expected .*\n--qos: expected /)
})

test('a run is verified, beside a baseline, and leaves results that can be compared', async () => {
  const json = join(dir, 'result.json')
  const html = join(dir, 'result.html')
  const files = ['--json', json, '--html', html]
  const run = await bench('fleet', '--connections', '20', '--seconds', '1', '--baselines', 'floor,copy-floor', ...files)
  assert.equal(run.code, 0, run.out + run.err)
  assert.match(run.out, /chargelift: \d+ acknowledged messages are what is stored: none lost, none doubled, sums equal/)
  assert.match(run.out, /against floor: /)
  const report = JSON.parse(readFileSync(json, 'utf8'))
  assert.deepEqual(Object.keys(report.results), ['chargelift', 'copy-floor', 'floor'])
  const { figures, cpuUs, batchRows } = report.runs[0]
  for (const name of ['messagesPerSecond', 'rowsPerSecond', 'ackP99Ms', 'storingUs', 'eventLoopPercent', 'serverRssMb'])
    assert.ok(figures[name] > 0, name)
  assert.deepEqual(Object.keys(cpuUs), ['main', 'workers', 'helpers', 'database', 'generator'])
  assert.ok(batchRows.length > 0)
  assert.match(readFileSync(html, 'utf8'), /<svg/)
  const compared = await bench('compare', json, json)
  assert.equal(compared.code, 0)
  assert.match(compared.out, /messages committed .*\+0\.0 %/)
})
