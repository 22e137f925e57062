// Ports before they are used: whether one is free, and the fault to report when it is not.

import { type AddressInfo, createServer } from 'node:net'
import { ConfigError } from '../model/errors.ts'

/**
 * Listens for a moment and returns the port; port 0 is any free one. Rejects with the system's error when the port is
 * taken.
 */
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

/** A loopback port that is free at the moment. */
export const freePort = (): Promise<number> => probePort('127.0.0.1', 0)

/**
 * Listens by `open`. Throws ConfigError, naming the flag to change, for a port or an address that cannot be listened
 * on.
 */
export async function openPort<T>(flag: string, port: number, open: () => Promise<T>): Promise<T> {
  try {
    return await open()
  } catch (error) {
    const { code, message, port: taken = port } = error as NodeJS.ErrnoException & { port?: number }
    const isHostsFault = code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND'
    const path = isHostsFault ? flag.replace('port', 'host') : flag
    const expected = isHostsFault ? 'an address of this machine' : 'a port that can be listened on'
    const found = code === 'EADDRINUSE' ? `port ${taken} in use already; choose another with ${flag}` : message
    throw new ConfigError([{ path, expected, found }], { cause: error })
  }
}
