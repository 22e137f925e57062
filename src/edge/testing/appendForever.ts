// A process that appends samples until it is killed. It prints the number of every append that has returned. Arguments:
// the path of the Spool, its maxBytes, and `settle` to acknowledge all samples except every tenth.

import { writeSync } from 'node:fs'
import { openSpool } from '../spool/spool.ts'

const [path, maxBytes, settles] = process.argv.slice(2)
const spool = openSpool({ path: path!, maxBytes: Number(maxBytes) })
for (;;) {
  const i = spool.newestSeq + 1
  const seq = spool.append(
    { charger: 'wb', timeMs: i * 1_000, values: { PowerOutput: i } },
    { timeMs: i * 1_000, known: { PowerOutput: { value: i, timeMs: i * 1_000 } } }
  )
  writeSync(1, `${seq}\n`)
  if (settles === 'settle' && seq % 10 !== 0) spool.settle(seq)
}
