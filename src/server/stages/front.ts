// The first stage: audit, credentials and the HTTP port, which from now on tells what the start is waiting for. Ports
// that are taken are found here, before the database starts.

import { Access } from '../access/access.ts'
import { Audit } from '../access/audit.ts'
import { isLoopbackHost } from '../access/loopback.ts'
import { Http, type HttpOptions } from '../http/http.ts'
import { openHttpTls } from '../http/httpTls.ts'
import { ProcessLink } from '../peers/processLink.ts'
import { openPort, probePort } from '../ports.ts'
import { Credentials, type CredentialsOptions } from '../trust/credentials.ts'
import { routesOf } from './routes.ts'
import { Serving } from './serving.ts'
import type { Startup } from './startup.ts'

export interface Front {
  readonly audit: Audit
  readonly credentials: Credentials
  readonly access: Access
  readonly serving: Serving
  /** Undefined for a server of one process. */
  readonly processLink: ProcessLink | undefined
  readonly httpPort: number
  /** Reads the certificate files now. */
  reload(): void
}

/** What the stage opens. A test passes fakes. */
const real = {
  credentials: (options: CredentialsOptions): Credentials => new Credentials(options),
  httpTls: openHttpTls,
  http: (options: HttpOptions): Promise<Pick<Http, 'port' | 'replaceTls' | 'close'>> => Http.open(options),
  probePort
}

/** Throws ConfigError: certificate files that cannot be used, a port that is taken. */
export async function openFront(startup: Startup, open = real): Promise<Front> {
  const { config, log, lifetime } = startup
  const audit = new Audit({ log, node: config.nodeId, now: Date.now })
  const { report } = audit
  const warned = (reason: string): void => log.warn({ event: 'tls_warning', reason }, 'certificates need attention')
  const credentials = open.credentials({ paths: config.tls, crlStrict: config.crlStrict, report, warned })
  const httpTls = config.httpTls && open.httpTls(config.httpTls, report)
  const serving = new Serving()
  const processLink = config.part && new ProcessLink(serving)
  const access = new Access({
    tokenCache: () => serving.tokenCache,
    isLoopback: isLoopbackHost(config.httpHost),
    isTls: httpTls !== undefined,
    report
  })
  const openHttp = () =>
    open.http({
      host: config.httpHost,
      port: config.httpPort,
      tls: httpTls?.current,
      access,
      routes: routesOf(startup, access, serving, processLink),
      failed: (path, { message }) => log.error({ event: 'http_failed', path, reason: message }, 'a request failed')
    })
  // Of several processes, the first one serves the HTTP port for all.
  const http = (config.part?.number ?? 1) === 1 ? await openPort('--http-port', config.httpPort, openHttp) : undefined
  const stopHttpTls = httpTls?.watch(next => http?.replaceTls(next))
  lifetime.owns(async () => {
    stopHttpTls?.()
    await http?.close()
  })
  for (const port of config.part ? [] : config.mqttPorts)
    await openPort('--mqtt-port', port, () => open.probePort(config.mqttHost, port))
  const reload = (): void => {
    credentials.reload()
    httpTls?.reload()
  }
  return { audit, credentials, access, serving, processLink, httpPort: http?.port ?? config.httpPort, reload }
}
