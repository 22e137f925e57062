// Runs the demo: everything on one machine with real parts. The demo has certificates, a server, simulated chargers
// with the real API, and edges that poll them. It prints rows that it reads back from the database.

import { X509Certificate } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import type { Logger } from 'pino'
import { loadEdgeConfig } from '../edge/config.ts'
import { startEdge } from '../edge/edge.ts'
import { ConfigError } from '../model/errors.ts'
import { Lifetime } from '../model/lifetime.ts'
import { chargerUrnPrefix } from '../model/wire/topics.ts'
import { initAuthority } from '../pki/authority/authority.ts'
import { issueDevice } from '../pki/authority/devices.ts'
import type { ServerConfig } from '../server/config.ts'
import { type RunningServer, startServer } from '../server/server.ts'
import { followRows } from './followRows.ts'
import { chargerNames, type SimulatedSite, startSimulatedFleet } from './simulatedFleet.ts'
import { prepareSite } from './site.ts'

export interface RunningDemo {
  readonly server: RunningServer
  readonly chargers: readonly string[]
  readonly edgeConfigFiles: readonly string[]
  stop(): Promise<void>
}

export interface DemoOptions {
  readonly config: ServerConfig
  /** The number of chargers. */
  readonly fleet: number
  readonly log: Logger
  /** Receives a line for each committed row of the first chargers. */
  readonly print: (line: string) => void
}

/** Rows are printed for this many chargers only, because nobody could read more. */
const printedMax = 3

/** The folder `config.dataDir` must exist. Throws ConfigError. */
export async function startDemo({ config, fleet: count, log, print }: DemoOptions): Promise<RunningDemo> {
  const lifetime = new Lifetime()
  const chargers = chargerNames(count)
  try {
    const dir = await prepareAuthority(config)
    const server = await startServer(config, log)
    lifetime.owns(() => server.stop())
    await prepareSite(server.databaseUrl, chargers)
    const fleet = await startSimulatedFleet(count)
    lifetime.owns(() => fleet.stop())
    const broker = `mqtts://${reachableHost(config.mqttHost)}:${server.mqttPorts[0]}`
    const edgeConfigFiles: string[] = []
    for (const [i, site] of fleet.sites.entries()) {
      const device = await prepareDevice(dir, config, site)
      const file = writeEdgeConfig(config, { broker, device, site, suffix: i === 0 ? '' : `-${i + 1}` })
      edgeConfigFiles.push(file)
      const edge = await startEdge(loadEdgeConfig(file), { log })
      lifetime.owns(() => edge.stop())
    }
    const printed = chargers.slice(0, printedMax)
    const rows = followRows({ databaseUrl: server.databaseUrl, chargers: printed, print })
    lifetime.owns(() => rows.stop())
    return { server, chargers, edgeConfigFiles, stop: () => lifetime.close() }
  } catch (error) {
    return await lifetime.fail(error)
  }
}

interface DeviceFiles {
  readonly cert: string
  readonly key: string
}

/**
 * Makes the development certificates beside `--tls-ca` if they do not exist. Returns their folder. Throws ConfigError
 * for a folder that has a CA but not the CA's key.
 */
async function prepareAuthority({ tls, mqttHost }: ServerConfig): Promise<string> {
  const dir = dirname(tls.ca)
  if (existsSync(tls.ca) && !existsSync(join(dir, 'ca.key'))) {
    const expected = 'a CA with its key beside it: the demo issues certificates for its edges'
    throw new ConfigError([{ path: '--tls-ca', expected, found: `no ${join(dir, 'ca.key')}` }])
  }
  // An existing server certificate keeps its hosts, because the folder may belong to the operator.
  const isNew = !existsSync(tls.cert) && !isAnyAddress(mqttHost)
  await initAuthority(isNew ? { dir, hosts: ['localhost', '127.0.0.1', mqttHost] } : { dir })
  return dir
}

/** Makes the certificate of an edge, which names the edge's chargers. Keeps a certificate that is still usable. */
async function prepareDevice(dir: string, { tls }: ServerConfig, { edge, boxes }: SimulatedSite): Promise<DeviceFiles> {
  const device = { cert: join(dir, 'devices', `${edge}.pem`), key: join(dir, 'devices', `${edge}.key`) }
  const names = boxes.map(({ name }) => name)
  if (!isUsable(device, readFileSync(tls.ca), names)) {
    await issueDevice({ dir, name: edge, chargers: names, replace: true })
  }
  return device
}

function isUsable({ cert, key }: DeviceFiles, ca: Buffer, chargers: readonly string[]): boolean {
  if (!existsSync(cert) || !existsSync(key)) return false
  const certificate = new X509Certificate(readFileSync(cert))
  const named = new Set(certificate.subjectAltName?.split(', '))
  return (
    certificate.validToDate.getTime() > Date.now() &&
    certificate.verify(new X509Certificate(ca).publicKey) &&
    chargers.every(name => named.has(`URI:${chargerUrnPrefix}${name}`))
  )
}

interface EdgeFile {
  readonly broker: string
  readonly device: DeviceFiles
  readonly site: SimulatedSite
  /** The suffix in the names of the edge's files. */
  readonly suffix: string
}

/**
 * Writes a configuration file for an edge, because the demo's edges read files like any other edge. Users can copy the
 * file.
 */
function writeEdgeConfig({ dataDir, tls }: ServerConfig, { broker, device, site, suffix }: EdgeFile): string {
  const file = join(dataDir, `edge${suffix}.yaml`)
  const text = (path: string): string => JSON.stringify(resolve(path))
  const chargers = site.boxes.map(
    ({ name, url, devKey }) => `  - name: ${name}
    driver: mennekes-amtron
    url: ${url}
    devKey: "${devKey}"
    pollIntervalMs: ${site.pollIntervalMs}
`
  )
  writeFileSync(
    file,
    `# Written by the demo at each start.
broker: ${broker}
tls:
  ca: ${text(tls.ca)}
  cert: ${text(device.cert)}
  key: ${text(device.key)}
spool:
  path: ${text(join(dataDir, `edge-spool${suffix}.sqlite`))}
chargers:
${chargers.join('')}`
  )
  return file
}

const isAnyAddress = (host: string): boolean =>
  host === '0.0.0.0' || host === '::' || host === 'localhost' || host === '127.0.0.1'
const reachableHost = (host: string): string =>
  isAnyAddress(host) ? '127.0.0.1' : host.includes(':') ? `[${host}]` : host
