// Runs the wire server as a separate process, so that WebAssembly does not block the tests.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

export interface TimescaleProcess {
  readonly url: string
  stop(): Promise<void>
}

export async function startTimescale(): Promise<TimescaleProcess> {
  const program = fileURLToPath(new URL('wireServer.ts', import.meta.url))
  const child: ChildProcess = spawn(process.execPath, [program], { stdio: ['pipe', 'pipe', 'inherit'] })
  const exited = once(child, 'exit')
  const [url] = await Promise.race([
    once(createInterface(child.stdout!), 'line'),
    exited.then(([code]) => {
      throw new Error(`the wire server ended with ${code} instead of serving`)
    })
  ])
  return {
    url,
    stop: async () => {
      child.stdin!.end() // ends the wire server as the end of this process would
      await exited
    }
  }
}
