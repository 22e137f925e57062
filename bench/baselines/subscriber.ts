// The tutorial's second program, as a process of its own. It subscribes to all topics below chargers/ and stores their
// messages.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { connectAsync } from 'mqtt'
import { serveCalls } from '../load/calls.ts'
import { Credentials } from '../load/credentials.ts'
import { type InsertOptions, InsertStore } from './insertStore.ts'

export interface SubscriberOptions extends InsertOptions {
  readonly port: number
  readonly certs: string
  readonly name: string
}

/** The calls that every process that stores with INSERT answers. */
export interface StoreCalls {
  /** The number of messages stored since the start. Rejects when storing has failed. */
  stored(): Promise<number>
}

serveCalls(async ({ port, certs, name, ...insert }: SubscriberOptions) => {
  const store = await InsertStore.open(insert)
  const { certificate, key } = (await Credentials.open(certs, [name], 'consumer')).keyedOf(name)
  const ca = readFileSync(join(certs, 'ca.pem'))
  const broker = `mqtts://127.0.0.1:${port}`
  const client = await connectAsync(broker, { ca, cert: certificate, key, clientId: name, clean: true, keepalive: 300 })
  client.on('message', (topic, payload) => store.take(topic, payload))
  await client.subscribeAsync('chargers/#', { qos: 1 })
  return {
    stored: () => Promise.race([store.failure, Promise.resolve(store.stored)])
  } satisfies StoreCalls
})
