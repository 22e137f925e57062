import assert from 'node:assert/strict'
import { EventEmitter, once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { connect, createServer, type Server, type TLSSocket } from 'node:tls'
import { below, seededRandom } from '../../model/testing/random.ts'
import { initAuthority } from '../../pki/authority/authority.ts'
import { readFrom } from './reads.ts'

const dir = mkdtempSync(join(tmpdir(), 'chargelift-reads-'))
const file = (name: string): Buffer => readFileSync(join(dir, name))
let server: Server

before(async () => {
  await initAuthority({ dir })
  server = createServer({ cert: file('server.pem'), key: file('server.key') })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
})

after(() => {
  server.close()
  rmSync(dir, { recursive: true })
})

/** Opens a TLS connection and returns both ends. `accept` is called within the event, as the listener does. */
async function pair(accept: (socket: TLSSocket) => void): Promise<{ client: TLSSocket; accepted: TLSSocket }> {
  const accepting = once(server, 'secureConnection').then(([socket]) => socket as TLSSocket)
  server.once('secureConnection', socket => accept(socket.on('error', () => {})))
  const client = connect({ ca: file('ca.pem'), host: '127.0.0.1', port: (server.address() as AddressInfo).port })
  client.on('error', () => {})
  await once(client, 'secureConnect')
  return { client, accepted: await accepting }
}

function randomBytes(seed: number, length: number): Buffer {
  const random = seededRandom(seed)
  return Buffer.from(Array.from({ length }, () => below(random, 256)))
}

async function write(client: TLSSocket, bytes: Buffer, random: () => number): Promise<void> {
  for (let at = 0; at < bytes.length; ) {
    const end = at + 1 + below(random, 60_000)
    if (!client.write(bytes.subarray(at, end))) await once(client, 'drain')
    at = end
  }
  client.end()
}

test('the Node at hand reads into one buffer, whatever is sent, and however often it is paused', async () => {
  const memory = new Set<ArrayBufferLike>()
  const transfers: Promise<void>[] = []
  for (const seed of [1, 2, 3]) {
    const random = seededRandom(seed)
    const read: Buffer[] = []
    const { client, accepted } = await pair(socket =>
      readFrom(socket, chunk => {
        memory.add(chunk.buffer)
        read.push(Buffer.from(chunk))
        if (below(random, 4) > 0) return
        socket.pause()
        setTimeout(() => socket.resume(), below(random, 3))
      })
    )
    const sent = randomBytes(seed, 400_000)
    transfers.push(
      Promise.all([once(accepted, 'end'), write(client, sent, random)]).then(() =>
        assert.ok(Buffer.concat(read).equals(sent), `${seed}`)
      )
    )
  }
  await Promise.all(transfers)
  assert.equal(memory.size, 1, 'each read came in a buffer of its own: it costs a tenth more CPU (reads.ts)')
})

test('what comes while it is paused comes when it is read again, and the end behind it', async () => {
  const read: string[] = []
  const { client, accepted } = await pair(socket => {
    readFrom(socket, chunk => read.push(chunk.toString()))
    socket.pause()
    socket.on('end', () => read.push('end'))
  })
  client.end('late')
  await new Promise(resolve => setTimeout(resolve, 50))
  assert.deepEqual(read, [])
  accepted.resume()
  await once(accepted, 'close')
  assert.deepEqual(read, ['late', 'end'])
})

test('it may be destroyed from within a read', async () => {
  let reads = 0
  const { client } = await pair(socket =>
    readFrom(socket, () => {
      reads++
      socket.destroy()
    })
  )
  client.write(randomBytes(4, 200_000))
  await new Promise(resolve => client.on('close', resolve))
  assert.ok(reads > 0)
})

test('a socket without that buffer is read as any stream', () => {
  const socket = new EventEmitter()
  const read: string[] = []
  readFrom(socket as TLSSocket, chunk => read.push(chunk.toString()))
  socket.emit('data', Buffer.from('a'))
  assert.deepEqual(read, ['a'])
})
