// An HTTP server that stands for a charger that can misbehave. It gives the raw socket of every request to the test.

import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'

/** Answers one request. `path` is the text after GET. */
export type Reply = (socket: Socket, path: string) => void

export interface FakeCharger {
  readonly url: string
  /** The requested paths, with the key. */
  readonly paths: string[]
  /** The largest number of requests that waited for an answer at the same time. */
  readonly overlap: () => number
  reply: Reply
  stop(): Promise<void>
}

export async function startFakeCharger(first: Reply): Promise<FakeCharger> {
  const sockets = new Set<Socket>()
  const unanswered = new Set<Socket>()
  let overlapMax = 0
  const server = createServer(socket => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => {
      sockets.delete(socket)
      unanswered.delete(socket)
    })
    socket.on('finish', () => unanswered.delete(socket))
    let head = ''
    socket.on('data', chunk => {
      head += chunk
      if (!head.includes('\r\n\r\n')) return
      const path = head.split(' ')[1] ?? ''
      head = ''
      unanswered.add(socket)
      overlapMax = Math.max(overlapMax, unanswered.size)
      fake.paths.push(path)
      fake.reply(socket, path)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const fake: FakeCharger = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    paths: [],
    overlap: () => overlapMax,
    reply: first,
    stop: async () => {
      const closed = once(server, 'close')
      server.close()
      for (const socket of sockets) socket.destroy()
      await closed
    }
  }
  return fake
}

/** A complete answer with correct framing. */
export const answer =
  (status: number, body: string | Buffer, headers = ''): Reply =>
  socket => {
    const bytes = Buffer.from(body)
    socket.write(`HTTP/1.1 ${status} X\r\ncontent-length: ${bytes.length}\r\n${headers}\r\n`)
    socket.end(bytes)
  }

export const json = (value: unknown): Reply => answer(200, JSON.stringify(value))

/** An answer with exactly these bytes. */
export const raw =
  (bytes: string | Buffer): Reply =>
  socket => {
    socket.end(bytes)
  }
