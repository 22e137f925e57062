// Measures the certificate authority at scale: making a revocation list of tens of thousands of entries, and revoking
// many devices at once.

import { createPrivateKey, randomBytes, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { temporaryFolder } from '../../src/edge/testing/folder.ts'
import { initAuthority } from '../../src/pki/authority/authority.ts'
import { makeCrl, makeCrlEntry } from '../../src/pki/authority/crl.ts'
import { issueDevice } from '../../src/pki/authority/devices.ts'
import { revokeDevices } from '../../src/pki/authority/revoke.ts'
import type { Bench } from '../scenarios/scenario.ts'
import { atMost, type Budget } from './budget.ts'
import { withEnds } from './ends.ts'

const entries = 20_000
const devices = 100
const dayMs = 86_400_000
const listSecondsMax = 10
const revokeSecondsMax = 5

export const pkiBudgets = (bench: Bench): Promise<Budget[]> =>
  withEnds(async ends => {
    bench.progress.show('budgets: certificates')
    const dir = temporaryFolder(ends)
    await initAuthority({ dir })
    const read = (file: string): string => readFileSync(join(dir, file), 'utf8')
    const issuer = { certificate: new X509Certificate(read('ca.pem')), key: createPrivateKey(read('ca.key')) }
    const serials = Array.from({ length: entries }, () => randomBytes(16).toString('hex'))
    const nowMs = Date.now()
    const list = await secondsOf(async () => {
      const revoked = serials.map(serial => makeCrlEntry(serial, nowMs))
      makeCrl(issuer, revoked, nowMs + dayMs, nowMs)
    })
    const names = Array.from({ length: devices }, (_, i) => `d${i}`)
    for (const name of names) await issueDevice({ dir, name })
    const revoke = await secondsOf(() => revokeDevices({ dir, names }))
    return [
      atMost('certificates: a revocation list of 20,000', list, listSecondsMax, 's'),
      atMost('certificates: 100 devices revoked at once', revoke, revokeSecondsMax, 's')
    ]
  })

async function secondsOf(work: () => Promise<unknown>): Promise<number> {
  const startedMs = performance.now()
  await work()
  return (performance.now() - startedMs) / 1_000
}
