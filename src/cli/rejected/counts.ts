// Prints the number of rejected messages, one line for each code.

import type pg from 'pg'
import { countRejected, type RejectedFilter } from '../../server/store/rejectedReplay.ts'

export async function printCounts(db: pg.Pool, filter: RejectedFilter): Promise<void> {
  const counts = await countRejected(db, filter)
  if (counts.length === 0) print('no rejected messages')
  for (const { code, count } of counts) print(`${String(count).padStart(9)}  ${code}`)
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}
