// Tests the clock rule with lines that it must find and lines that it must leave alone.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { clockedLines, durationsOf } from './clockRule.ts'

const started = 'const startedMs = performance.now()\n'
const found: Record<string, string> = {
  'a difference': `${started}assert.ok(performance.now() - startedMs < 100)`,
  'a difference, named': `${started}const tookMs = performance.now() - startedMs\nassert.ok(tookMs <= 100)`,
  'the bound first': `${started}const tookMs = performance.now() - startedMs\nassert.ok(100 > tookMs)`,
  'what is made of it': `${started}tookMs.push(performance.now() - startedMs)\nconst median = tookMs.sort()[2]!\nassert.ok(median < 5)`,
  'the wall clock': 'const begin = Date.now()\nconst seconds = (Date.now() - begin) / 1000\nassert.ok(seconds < 5)',
  'a function that tells how long': `${started}const elapsed = () => performance.now() - startedMs\nassert.ok(elapsed() < 100)`,
  'a Date': 'const begin = new Date().getTime()\nassert.ok(new Date().getTime() - begin < 100)',
  frames: 'assert.ok(fps > 30)',
  memory: 'assert.ok(server.rssMb() < 100)',
  'CPU time': 'assert.ok(process.cpuUsage().user < 100)'
}
const free: Record<string, string> = {
  'at least so long': `${started}assert.ok(performance.now() - startedMs >= 100)`,
  'only told': `${started}t.diagnostic(\`\${performance.now() - startedMs} ms\`)`,
  'a time of the past': 'const fromMs = Date.now() - 3_600_000\nassert.ok(fromMs < toMs)',
  'a deadline': 'for (const deadline = Date.now() + 5_000; ; ) if (Date.now() > deadline) throw new Error()',
  'a comment': '// assert.ok(server.rssMb() < 100)'
}

for (const [what, code] of Object.entries(found)) {
  test(`found: ${what}`, () => assert.equal(clockedLines(code).length, 1))
}
for (const [what, code] of Object.entries(free)) {
  test(`free: ${what}`, () => assert.deepEqual(clockedLines(code), []))
}

test('found: a time that a rig of tests measures', () => {
  const rig = `${started}this.slowestMs = Math.max(this.slowestMs, performance.now() - startedMs)`
  assert.equal(clockedLines('assert.ok(device.slowestMs < 1_000)', durationsOf(rig)).length, 1)
})
