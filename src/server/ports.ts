// Ports before they are used: whether one is free, and which one is.

import { type AddressInfo, createServer } from 'node:net'

/** Listens for a moment, 0 takes any; returns the port. Rejects with the system's error when it is taken. */
export async function probePort(host: string, port: number): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, resolve)
  })
  const { port: found } = server.address() as AddressInfo
  await new Promise(resolve => server.close(resolve))
  return found
}

/** A loopback port that nobody listens on just now. */
export const freePort = (): Promise<number> => probePort('127.0.0.1', 0)
