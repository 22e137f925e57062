// A short storm: few clients, few faults, a fixed seed. `npm run test:faults` runs the long storm.

import { describe, it } from 'node:test'
import { FaultBench } from './faults/bench.ts'

describe('faults', () => {
  const bench = FaultBench.use()

  it('a short storm loses nothing, doubles nothing, alters nothing', async t => {
    await bench.storm(t, {
      seed: Number(process.env.FAULT_SEED ?? 7),
      clients: 6,
      messages: 240,
      holdMs: 700,
      faults: [
        'server kill -9',
        'killed between commit and acknowledgement',
        'ingest backends terminated in the middle of a COPY',
        'PostgreSQL stopped immediately, and started',
        'all client sockets cut'
      ]
    })
  })
})
