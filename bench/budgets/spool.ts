// Measures the edge's Spool on a file system in memory, so that the disk's own time does not count: a page beside many
// acknowledged samples, an append to a long backlog, and the slowest append while a full Spool makes room.

import { join } from 'node:path'
import { spoolBytesDefault, spoolBytesMin } from '../../src/edge/limits.ts'
import { openSpool, type Spool } from '../../src/edge/spool/spool.ts'
import { fillSpool } from '../../src/edge/testing/fillSpool.ts'
import { memoryFolder } from '../../src/edge/testing/folder.ts'
import { median } from '../report/result.ts'
import type { Bench } from '../scenarios/scenario.ts'
import { atMost, type Budget } from './budget.ts'
import { type Ends, withEnds } from './ends.ts'

const samples = 100_000
const unsettled = 1_000
const asked = 1_000
const pageMsMax = 2
const appendMsMax = 2
const slowestMsMax = 100
/** The number of samples that fills the smallest Spool. */
const fullSamples = 24_000

export const spoolBudgets = (bench: Bench): Promise<Budget[]> =>
  withEnds(async ends => {
    bench.progress.show('budgets: spool')
    const spool = filledSpool(ends, samples, spoolBytesDefault)
    const longBacklog = times(asked, i => append(spool, samples + i))
    for (let seq = 1; seq <= samples + asked - unsettled; seq++) spool.settle(seq)
    spool.flush()
    const pages = times(asked, () => spool.page(0, spool.newestSeq, 1))
    const full = filledSpool(ends, fullSamples, spoolBytesMin)
    const makingRoom = times(asked, i => append(full, fullSamples + i))
    return [
      atMost('spool: a page beside 100,000 acknowledged samples', median(pages), pageMsMax, 'ms'),
      atMost('spool: an append to a backlog of 100,000', median(longBacklog), appendMsMax, 'ms'),
      atMost('spool: the slowest append while it makes room', Math.max(...makingRoom), slowestMsMax, 'ms')
    ]
  })

function filledSpool(ends: Ends, samples: number, maxBytes: number): Spool {
  const path = join(memoryFolder(ends), 'spool.sqlite')
  fillSpool(path, samples, i => ({ PowerOutput: i }), { timeMs: i => i * 1_000 })
  const spool = openSpool({ path, maxBytes })
  ends.after(() => spool.close())
  return spool
}

function append(spool: Spool, i: number): void {
  const timeMs = i * 1_000
  const memory = { timeMs, known: { PowerOutput: { value: i, timeMs } } }
  spool.append({ charger: 'wb', timeMs, values: { PowerOutput: i } }, memory)
}

/** The duration of each call of `work`, in ms. */
const times = (count: number, work: (i: number) => unknown): number[] =>
  Array.from({ length: count }, (_, i) => {
    const startedMs = performance.now()
    work(i)
    return performance.now() - startedMs
  })
