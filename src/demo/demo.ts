// Everything on one machine with real parts: certificates, a server, a simulated charger that speaks the real API,
// and an edge that polls it. What it shows are rows read back from the database.

import { X509Certificate } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import type { Logger } from 'pino'
import { loadEdgeConfig } from '../edge/config.ts'
import { startEdge } from '../edge/edge.ts'
import { ConfigError } from '../model/errors.ts'
import { initAuthority } from '../pki/authority.ts'
import { issueDevice } from '../pki/devices.ts'
import type { ServerConfig } from '../server/config.ts'
import { type RunningServer, runReversed, startServer } from '../server/server.ts'
import { followRows } from './followRows.ts'
import { startSimulatedCharger } from './simulatedCharger.ts'

export interface RunningDemo {
  readonly server: RunningServer
  readonly chargers: readonly string[]
  readonly edgeConfigFile: string
  stop(): Promise<void>
}

export interface DemoOptions {
  readonly config: ServerConfig
  readonly log: Logger
  /** A line for each committed row. */
  readonly print: (line: string) => void
}

const charger = 'demo-charger'
const devKey = '0000'
const pollIntervalMs = 1_000

/** `config.dataDir` must be there. Throws ConfigError. */
export async function startDemo({ config, log, print }: DemoOptions): Promise<RunningDemo> {
  const stops: (() => Promise<unknown>)[] = []
  const stop = (): Promise<void> => runReversed(stops)
  try {
    const device = await prepareCertificates(config)
    const server = await startServer(config, log)
    stops.push(() => server.stop())
    const simulated = await startSimulatedCharger({ port: 0, devKey, name: charger })
    stops.push(() => simulated.stop())
    const broker = `mqtts://${reachableHost(config.mqttHost)}:${server.mqttPorts[0]}`
    const edgeConfigFile = writeEdgeConfig(config, { broker, device, url: simulated.url })
    const edge = await startEdge(loadEdgeConfig(edgeConfigFile), { log })
    stops.push(() => edge.stop())
    const rows = followRows({ databaseUrl: server.databaseUrl, chargers: [charger], print })
    stops.push(() => rows.stop())
    return { server, chargers: [charger], edgeConfigFile, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

interface DeviceFiles {
  readonly cert: string
  readonly key: string
}

/** Development certificates beside `--tls-ca`, made when absent. A folder with a CA but without its key cannot be used. */
async function prepareCertificates({ tls, mqttHost }: ServerConfig): Promise<DeviceFiles> {
  const dir = dirname(tls.ca)
  if (existsSync(tls.ca) && !existsSync(join(dir, 'ca.key'))) {
    const expected = 'a CA with its key beside it: the demo issues a certificate for its charger'
    throw new ConfigError([{ path: '--tls-ca', expected, found: `no ${join(dir, 'ca.key')}` }])
  }
  // A server certificate that is there keeps its hosts: the folder may be the operator's own.
  const isNew = !existsSync(tls.cert) && !isAnyAddress(mqttHost)
  await initAuthority(isNew ? { dir, hosts: ['localhost', '127.0.0.1', mqttHost] } : { dir })
  const device = { cert: join(dir, 'devices', `${charger}.pem`), key: join(dir, 'devices', `${charger}.key`) }
  if (!isUsable(device, readFileSync(tls.ca))) await issueDevice({ dir, name: charger, replace: true })
  return device
}

function isUsable({ cert, key }: DeviceFiles, ca: Buffer): boolean {
  if (!existsSync(cert) || !existsSync(key)) return false
  const certificate = new X509Certificate(readFileSync(cert))
  return certificate.validToDate.getTime() > Date.now() && certificate.verify(new X509Certificate(ca).publicKey)
}

/** The demo's edge reads a file like any other: a first example to copy. */
function writeEdgeConfig(
  { dataDir, tls }: ServerConfig,
  { broker, device, url }: { broker: string; device: DeviceFiles; url: string }
): string {
  const file = join(dataDir, 'edge.yaml')
  const text = (path: string): string => JSON.stringify(resolve(path))
  writeFileSync(
    file,
    `# Written by the demo at each start.
broker: ${broker}
tls:
  ca: ${text(tls.ca)}
  cert: ${text(device.cert)}
  key: ${text(device.key)}
spool:
  path: ${text(join(dataDir, 'edge-spool.sqlite'))}
chargers:
  - name: ${charger}
    driver: mennekes-amtron
    url: ${url}
    devKey: "${devKey}"
    pollIntervalMs: ${pollIntervalMs}
`
  )
  return file
}

const isAnyAddress = (host: string): boolean =>
  host === '0.0.0.0' || host === '::' || host === 'localhost' || host === '127.0.0.1'
const reachableHost = (host: string): string =>
  isAnyAddress(host) ? '127.0.0.1' : host.includes(':') ? `[${host}]` : host
