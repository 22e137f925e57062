// The baselines `stock-aedes` and `floor`: servers of this project that promise less than the product.

import { startChild } from '../load/calls.ts'
import { ledgerWidth } from '../load/ledger.ts'
import { nodeCpuOf, rssBytesOf } from '../rig/processes.ts'
import { VerifyError } from '../rig/verify.ts'
import type { Baseline } from './baselines.ts'
import type { FloorCalls, FloorOptions } from './floorServer.ts'
import { createTutorialTable } from './insertStore.ts'
import type { StockAedesCalls, StockAedesOptions } from './stockAedesServer.ts'
import { storedBySql } from './stored.ts'

const rowsPerInsert = 1_000

export const stockAedes: Baseline = {
  summary: 'Aedes as it comes, acknowledging before it stores with multi-row INSERT',
  missing: () => undefined,
  async start(bench, expected) {
    const { certs } = bench.settings
    const database = await (await bench.databases()).fresh()
    await createTutorialTable(database)
    await database.settle()
    const options: StockAedesOptions = { certs, rows: rowsPerInsert, databaseUrl: database.url }
    const server = await startChild<StockAedesCalls>(new URL('./stockAedesServer.ts', import.meta.url), options)
    return {
      name: 'stock-aedes',
      address: { host: '127.0.0.1', port: await server.call('port'), certs },
      storing: ['main', 'workers', 'helpers', 'database'],
      row: 'message',
      cpu() {
        const databaseMs = database.cpuMs()
        return { ...nodeCpuOf(server.pid), ...(databaseMs !== undefined && { database: databaseMs }) }
      },
      rssBytes: () => rssBytesOf(server.pid),
      metrics: async () => undefined,
      stored: () => server.call('stored'),
      verify: storedBySql(database, expected),
      async close() {
        server.kill()
        await server.ended
        await database.close()
      }
    }
  }
}

export const floor: Baseline = {
  summary: 'TLS and MQTT framing, nothing stored: the limit of one thread',
  missing: () => undefined,
  async start(bench, { names, columns }) {
    const { certs } = bench.settings
    const server = await startChild<FloorCalls>(new URL('./floorServer.ts', import.meta.url), {
      certs
    } satisfies FloorOptions)
    return {
      name: 'floor',
      address: { host: '127.0.0.1', port: await server.call('port'), certs },
      storing: ['main', 'workers', 'helpers'],
      row: 'nothing',
      cpu: () => nodeCpuOf(server.pid),
      rssBytes: () => rssBytesOf(server.pid),
      metrics: async () => undefined,
      stored: undefined,
      async verify(ledger) {
        const width = ledgerWidth(columns.length)
        const polls = names.names.reduce((sum, _, i) => sum + ledger[i * width]!, 0)
        const counted = await server.call('counted')
        if (counted === polls * columns.length) return
        throw new VerifyError([`${polls * columns.length} messages acknowledged, ${counted} counted by the server`])
      },
      async close() {
        server.kill()
        await server.ended
      }
    }
  }
}
