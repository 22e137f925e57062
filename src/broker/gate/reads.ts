// What a connection sends, in one buffer that all connections share: no buffer is made for a read, and none collected.
// Node can do so (internals.ts); where it cannot, reads come as 'data', at another price. The profile that pays for the
// shared buffer: a tenth of the server's CPU in the fleet bench, in the stream, the collector and malloc's locks.

import type { TLSSocket } from 'node:tls'
import { readInto } from '../internals.ts'

/** As much as TLS hands on at once: a record. */
const shared = Buffer.alloc(16 * 1024)

/** Reads; `receive` gets bytes that are good until it returns. Some may still come after the socket was paused. */
export function readFrom(socket: TLSSocket, receive: (chunk: Buffer) => void): void {
  const received = (bytes: number): boolean => {
    receive(shared.subarray(0, bytes))
    return true
  }
  if (readInto(socket, shared, received)) socket.resume()
  else socket.on('data', receive)
}
