// A server process that does TLS and MQTT framing and nothing else. It counts and acknowledges each PUBLISH, and
// answers all packets of one read with one write. No server in Node can be faster than this on one thread.

import { readFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { createServer, type TLSSocket } from 'node:tls'
import * as frames from '../../src/broker/gate/frames.ts'
import { readFrom } from '../../src/broker/gate/reads.ts'
import { packetBytesMax } from '../../src/model/server/limits.ts'
import { serveCalls } from '../load/calls.ts'

export interface FloorOptions {
  readonly certs: string
}

export interface FloorCalls {
  port(): Promise<number>
  /** The number of PUBLISH packets since the start. */
  counted(): Promise<number>
}

const connack = Buffer.from([0x20, 2, 0, 0])
const pingresp = Buffer.from([0xd0, 0])
let counted = 0

function serve(socket: TLSSocket): void {
  const frame = new frames.Frame()
  let rest: Buffer | undefined
  const answer = (type: number, chunk: Buffer): void => {
    if (type === frames.CONNECT) socket.write(connack)
    else if (type === frames.PINGREQ) socket.write(pingresp)
    else if (type === frames.PUBREL) {
      const id = frames.readUInt16(chunk, frame.bodyAt)
      socket.write(Buffer.from(frames.acknowledgement(frames.PUBCOMP, id)))
    }
  }
  socket.setNoDelay(true).on('error', () => {})
  readFrom(socket, read => {
    const chunk = rest === undefined ? read : Buffer.concat([rest, read])
    const acks: number[] = []
    let at = 0
    for (; at < chunk.length; at = frame.end) {
      const status = frames.readFrame(chunk, at, packetBytesMax, frame)
      if (status === frames.partial) break
      if (status !== frames.complete) return void socket.destroy()
      if (frame.type !== frames.PUBLISH) {
        answer(frame.type, chunk)
        continue
      }
      counted++
      const qos = frames.qosOf(frame.flags)
      if (qos === 0) continue
      const id = frames.readUInt16(chunk, frame.bodyAt + 2 + frames.readUInt16(chunk, frame.bodyAt))
      acks.push((qos === 2 ? frames.PUBREC : frames.PUBACK) << 4, 2, id >> 8, id & 255)
    }
    rest = at < chunk.length ? Buffer.from(chunk.subarray(at)) : undefined
    if (acks.length > 0) socket.write(Buffer.from(acks))
  })
}

serveCalls(async ({ certs }: FloorOptions) => {
  const file = (name: string): Buffer => readFileSync(join(certs, name))
  const tls = { ca: file('ca.pem'), cert: file('server.pem'), key: file('server.key') }
  const server = createServer({ ...tls, requestCert: true, rejectUnauthorized: true }, serve)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return {
    port: async () => (server.address() as AddressInfo).port,
    counted: async () => counted
  } satisfies FloorCalls
})
