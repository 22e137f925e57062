// What a connection sends, in one buffer that all connections share: no buffer is made for a read, and none collected.
// Node does so for sockets that connect (`onread` of tls.connect), but has no option for those that a server accepts: what
// that option sets is set here, by its names within Node. Where they are not found, reads come as 'data', at another price.
// The profile that pays for it: a tenth of the server's CPU in the fleet bench, in the stream, the collector and malloc's locks.

import type { TLSSocket } from 'node:tls'

/** As much as TLS hands on at once: a record. */
const shared = Buffer.alloc(16 * 1024)

interface Internals {
  readonly buffer: symbol
  readonly callback: symbol
}

interface Open {
  [internal: symbol]: unknown
  readonly _handle?: { useUserBuffer?(buffer: Buffer): void } | null
}

/** Reads; `receive` gets bytes that are good until it returns, also some that were on their way when the socket was paused. */
export function readFrom(socket: TLSSocket, receive: (chunk: Buffer) => void): void {
  const open = socket as unknown as Open
  const internals = internalsOf(socket)
  if (internals === undefined || typeof open._handle?.useUserBuffer !== 'function') {
    socket.on('data', receive)
    return
  }
  open[internals.buffer] = shared
  open[internals.callback] = (bytes: number): boolean => {
    receive(shared.subarray(0, bytes))
    return true
  }
  open._handle.useUserBuffer(shared)
  socket.resume()
}

let known: Internals | undefined

function internalsOf(socket: object): Internals | undefined {
  if (known !== undefined) return known
  const symbols = Object.getOwnPropertySymbols(socket)
  const buffer = symbols.find(({ description }) => description === 'kBuffer')
  const callback = symbols.find(({ description }) => description === 'kBufferCb')
  if (buffer !== undefined && callback !== undefined) known = { buffer, callback }
  return known
}
