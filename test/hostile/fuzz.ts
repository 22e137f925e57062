// Sends valid traffic that a seed mutates. Each session holds the packets of a device's life. A few bytes are changed,
// cut, doubled or moved, and the bytes are sent in chunks of any size.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { connect, createSecureContext, type TLSSocket } from 'node:tls'
import * as packets from '../../src/broker/testing/packets.ts'
import { below, pick, seededRandom } from '../../src/model/testing/random.ts'
import { envelope } from '../harness.ts'

export interface FuzzOptions {
  readonly certs: string
  readonly port: number
  /** The names of the senders. Each has a certificate. */
  readonly names: readonly string[]
  readonly seed: number
  readonly sessions: number
}

/** The number of sessions that the server ended, and of sessions that the server bore to their end. */
export interface FuzzResult {
  readonly cut: number
  readonly borne: number
}

const quietMs = 50
const pongMs = 10
const pong = Buffer.from([0xd0, 0])
const concurrency = 16

/** Runs the sessions. Throws if the server neither ends a session nor answers it. */
export async function fuzz({ certs, port, names, seed, sessions }: FuzzOptions): Promise<FuzzResult> {
  const random = seededRandom(seed)
  const file = (path: string): Buffer => readFileSync(join(certs, path))
  const ca = file('ca.pem')
  const tickets = new Map<string, Buffer>()
  const contexts = new Map(
    names.map(name => [
      name,
      createSecureContext({ ca, cert: file(`devices/${name}.pem`), key: file(`devices/${name}.key`) })
    ])
  )
  let cut = 0
  let left = sessions
  const work = async (): Promise<void> => {
    while (left-- > 0) {
      const name = pick(random, names)
      const bytes = mutate(random, session(random, name))
      const chunks = split(random, bytes)
      const session_ = tickets.get(name)
      const socket = connect({
        host: '127.0.0.1',
        port,
        secureContext: contexts.get(name)!,
        ...(session_ && { session: session_ })
      })
      socket.on('session', ticket => tickets.set(name, ticket))
      if (await isCut(socket, chunks)) cut++
    }
  }
  await Promise.all(Array.from({ length: concurrency }, work))
  return { cut, borne: sessions - cut }
}

/**
 * Sends the chunks. Resolves with true if the server ends the connection. Resolves with false if the server answers or
 * still waits for more bytes.
 */
function isCut(socket: TLSSocket, chunks: readonly Buffer[]): Promise<boolean> {
  return new Promise((resolve, reject) => {
    let quiet: NodeJS.Timeout | undefined
    const end = (wasCut: boolean): void => {
      clearTimeout(quiet)
      socket.destroy()
      resolve(wasCut)
    }
    socket.on('error', () => {})
    socket.on('close', () => end(true))
    // The server has read all bytes before it answers. Another ping may have been sent earlier, so the wait continues.
    socket.on('data', bytes => {
      if (quiet === undefined || !bytes.subarray(-2).equals(pong)) return
      clearTimeout(quiet)
      quiet = setTimeout(() => end(false), pongMs)
    })
    socket.once('secureConnect', () => {
      for (const chunk of chunks) socket.write(chunk)
      // One ping comes last. It gets no answer if the server takes its bytes for a part of another packet.
      socket.write(packets.pingreq(), error => {
        if (error) return
        quiet = setTimeout(() => end(false), quietMs)
      })
    })
    setTimeout(() => reject(new Error('a connection neither ended nor took its bytes')), 30_000).unref()
  })
}

function session(random: () => number, name: string): Buffer[] {
  const topic = (): string => `chargers/${name}/${pick(random, ['PowerOutput', 'OperationState', 'EdgeStatus'])}`
  const id = (): number => 1 + below(random, 500)
  const publish = (qos: number): Buffer =>
    packets.publish({
      topic: topic(),
      payload: envelope(pick(random, [1, 2.5, 'charging'])),
      qos,
      id: id(),
      dup: qos > 0 && random() < 0.2
    })
  const kinds: (() => Buffer)[] = [
    () => publish(0),
    () => publish(1),
    () => publish(1),
    () => publish(2),
    () => packets.subscribe(`chargers/${name}/${pick(random, ['#', '+', 'Connection', 'commands/#'])}`, id()),
    () => packets.unsubscribe(`chargers/${name}/#`, id()),
    () => packets.pingreq(),
    () => packets.puback(id()),
    () => packets.pubrec(id()),
    () => packets.pubrel(id()),
    () => packets.pubcomp(id()),
    () => packets.disconnect()
  ]
  const hello = packets.connect({
    clientId: `${name}:${below(random, 50)}`,
    clean: random() < 0.7,
    keepalive: below(random, 65_536),
    ...(random() < 0.3 && { will: { topic: `chargers/${name}/Connection`, payload: 'gone', qos: below(random, 3) } }),
    ...(random() < 0.2 && { userName: name, password: 'secret' })
  })
  return [hello, ...Array.from({ length: 1 + below(random, 12) }, () => pick(random, kinds)())]
}

/** Makes one to four changes. Most changes come after the CONNECT packet, so that the session gets far. */
function mutate(random: () => number, whole: Buffer[]): Buffer {
  const all = [...whole]
  for (let n = 1 + below(random, 4); n > 0; n--) {
    const at = random() < 0.25 ? 0 : below(random, all.length)
    const bytes = Buffer.from(all[at]!)
    const place = below(random, bytes.length)
    const changes: (() => Buffer | readonly Buffer[])[] = [
      () => change(bytes, place, bytes[place]! ^ (1 << below(random, 8))),
      () => change(bytes, place, pick(random, [0, 1, 2, 0x23, 0x2b, 0x2f, 0x7f, 0x80, 0xc0, 0xed, 0xfe, 0xff])),
      () => change(bytes, Math.min(1, bytes.length - 1), below(random, 256)),
      () => change(bytes, 0, below(random, 256)),
      () => bytes.subarray(0, place),
      () =>
        Buffer.concat([bytes.subarray(0, place), bytes.subarray(Math.min(bytes.length, place + 1 + below(random, 8)))]),
      () => Buffer.concat([bytes.subarray(0, place), randomBytes(random), bytes.subarray(place)]),
      () => [bytes, bytes],
      () => [bytes, randomBytes(random)],
      () => packets.packet(bytes[0]!, randomBytes(random)),
      () => [pick(random, all), bytes]
    ]
    const changed = pick(random, changes)()
    all.splice(at, 1, ...(Buffer.isBuffer(changed) ? [changed] : changed))
  }
  return Buffer.concat(all)
}

function change(bytes: Buffer, at: number, value: number): Buffer {
  bytes[at] = value
  return bytes
}

const randomBytes = (random: () => number): Buffer =>
  Buffer.from(Array.from({ length: 1 + below(random, 40) }, () => below(random, 256)))

function split(random: () => number, bytes: Buffer): Buffer[] {
  if (random() < 0.5) return [bytes]
  const chunks = []
  for (let at = 0; at < bytes.length; ) {
    const size = 1 + below(random, 60)
    chunks.push(bytes.subarray(at, at + size))
    at += size
  }
  return chunks
}
