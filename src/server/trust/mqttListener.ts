// The MQTT listener: its ports, the credentials in force, and what happens to connections when credentials change.

import type { TLSSocket } from 'node:tls'
import { Listener } from '../../broker/listener/listener.ts'
import type { Identity } from '../../model/server/admission.ts'
import type { ReportSecurity } from '../../model/server/security.ts'
import type { ServerConfig } from '../config.ts'
import type { Credentials } from './credentials.ts'
import { sharedTicketKeys } from './tickets.ts'

export interface MqttListener {
  readonly ports: readonly number[]
  /** Connections that wait for their handshake. */
  readonly waiting: number
  close(): Promise<void>
}

interface MqttListenerOptions {
  readonly config: ServerConfig
  readonly credentials: Credentials
  readonly accept: (socket: TLSSocket, identity: Identity) => void
  readonly report: ReportSecurity
  /** Live connections could not be judged again: a fault of ours. */
  readonly failed: (error: Error) => void
}

/** Rejects with the system's error when a port is taken. */
export async function openMqttListener({
  config,
  credentials,
  accept,
  report,
  failed
}: MqttListenerOptions): Promise<MqttListener> {
  const listener = await Listener.open({
    host: config.mqttHost,
    ports: config.mqttPorts,
    tls: credentials.current,
    judge: (certificate, anew) => credentials.judge(certificate, anew),
    accept,
    report,
    ...(config.redisUrl !== undefined && { ticketKeys: sharedTicketKeys }),
    connectionsMax: config.connectionsMax,
    handshakesPerSecond: config.handshakesPerSecond
  })
  const stopWatching = credentials.watch((next, former) => {
    const isCaGone = !next.trust.includes(former.trust)
    // Sessions of a CA that is no longer trusted must not go on: resumption skips the verification that would now fail.
    listener.replaceTls(next, isCaGone)
    listener.recheck(isCaGone).catch(failed)
  })
  return {
    ports: listener.ports,
    get waiting() {
      return listener.waiting
    },
    close: () => {
      stopWatching()
      return listener.close()
    }
  }
}
