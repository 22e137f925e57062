// `chargelift rejected replay`: sends rejected messages through the ingest path again.

import type pg from 'pg'
import { Shadow } from '../../broker/shadow.ts'
import { Ingest } from '../../ingest/ingest.ts'
import { Budget } from '../../model/server/budget.ts'
import type { ServerConfig } from '../../server/config.ts'
import { LatestWriter } from '../../server/store/latest.ts'
import { type RejectedFilter, replayRejected } from '../../server/store/rejectedReplay.ts'
import { printCounts } from './counts.ts'
import { stopMs } from './limits.ts'

interface ReplayFlags {
  readonly filter: RejectedFilter
  readonly shiftUs: number
  readonly dryRun: boolean
  readonly server: ServerConfig
}

export async function replay(
  db: pg.Pool,
  databaseUrl: string,
  { filter, shiftUs, dryRun, server }: ReplayFlags
): Promise<void> {
  if (dryRun) {
    print('would be replayed:')
    await printCounts(db, filter)
    return
  }
  const latest = new LatestWriter(db, error => print(`latest readings not written: ${error.message}`))
  const shadow = new Shadow()
  shadow.watch((topic, entry) => latest.note(topic, entry))
  const ingest = new Ingest({
    databaseUrl,
    workers: 1,
    acceptPastMs: server.acceptPastMs,
    budget: new Budget(server.budgetBytes),
    now: Date.now,
    committed: newest => shadow.advance(newest, 'committed'),
    report: {
      stored() {},
      acknowledged() {},
      kept: ({ code, message }, attempt) => {
        if (attempt === 1) print(`the database does not store, trying again: ${message} (${code})`)
      },
      recovered: () => print('the database stores again'),
      workerDied: error => print(`a worker died, and is replaced: ${error.message}`)
    }
  })
  try {
    const { replayed, skipped } = await replayRejected({
      db,
      ingest,
      filter,
      shiftUs,
      progress: counts => {
        if (process.stdout.isTTY) process.stdout.write(`\r${counts.replayed} replayed`)
      }
    })
    if (process.stdout.isTTY) process.stdout.write('\r')
    print(`${replayed} replayed, ${ingest.counters.committed} of them stored`)
    for (const [code, count] of ingest.counters.rejected) print(`${String(count).padStart(9)}  rejected again: ${code}`)
    if (skipped > 0) print(`${String(skipped).padStart(9)}  skipped: they have no SamplingTime that can be shifted`)
  } finally {
    await ingest.close(stopMs)
    await latest.close()
  }
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}
