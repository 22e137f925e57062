// A server process with Aedes in its default form. Aedes acknowledges a message at once. The process stores the message
// afterwards, from Aedes' `publish` event, with multi-row INSERT.

import { readFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { createServer } from 'node:tls'
import { Aedes } from 'aedes'
import { serveCalls } from '../load/calls.ts'
import { type InsertOptions, InsertStore } from './insertStore.ts'
import type { StoreCalls } from './subscriber.ts'

export interface StockAedesOptions extends InsertOptions {
  readonly certs: string
}

export interface StockAedesCalls extends StoreCalls {
  port(): Promise<number>
}

serveCalls(async ({ certs, ...insert }: StockAedesOptions) => {
  const store = await InsertStore.open(insert)
  const broker = await Aedes.createBroker()
  broker.on('publish', ({ topic, payload }, client) => {
    if (client !== null) store.take(topic, payload as Buffer)
  })
  const file = (name: string): Buffer => readFileSync(join(certs, name))
  const tls = { ca: file('ca.pem'), cert: file('server.pem'), key: file('server.key') }
  const server = createServer({ ...tls, requestCert: true, rejectUnauthorized: true }, socket =>
    broker.handle(socket.setNoDelay(true))
  )
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return {
    port: async () => (server.address() as AddressInfo).port,
    stored: () => Promise.race([store.failure, Promise.resolve(store.stored)])
  } satisfies StockAedesCalls
})
