// Aedes, opened with our hooks, persistence and limits.

import { Aedes } from 'aedes'
import { dropNumberCache } from '../internals.ts'
import { clientIdCharactersMax, connectTimeoutMs, drainTimeoutMs } from '../limits.ts'
import type { Hooks } from './hooks.ts'
import type { OpenPersistence } from './persistence.ts'

export type { Aedes } from 'aedes'

export async function openAedes(hooks: Hooks, { persistence, bus }: OpenPersistence): Promise<Aedes> {
  dropNumberCache()
  const aedes = await Aedes.createBroker({
    connectTimeout: connectTimeoutMs,
    drainTimeout: drainTimeoutMs,
    concurrency: 0, // no bound: news for one subscriber never waits for another
    maxClientsIdLength: clientIdCharactersMax,
    persistence,
    ...(bus && { mq: bus.mq }),
    ...hooks.forAedes()
  })
  hooks.listen(aedes)
  return aedes
}
