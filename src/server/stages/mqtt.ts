// The last stage: the MQTT listener. It is the first to stop, so that no new connection comes in while the rest stops.

import type { Broker } from '../../broker/broker.ts'
import { openPort } from '../ports.ts'
import { type MqttListener, openMqttListener } from '../trust/mqttListener.ts'
import type { Front } from './front.ts'
import type { Startup } from './startup.ts'

export interface MqttNeeds extends Pick<Front, 'audit' | 'credentials'> {
  readonly broker: Pick<Broker, 'accept'>
}

/** Throws ConfigError when a port is taken. */
export async function openMqtt(
  { config, log, lifetime }: Startup,
  { audit, credentials, broker }: MqttNeeds,
  open = openMqttListener
): Promise<MqttListener> {
  const listener = await openPort('--mqtt-port', config.mqttPorts[0]!, () =>
    open({
      config,
      credentials,
      accept: (socket, identity) => broker.accept(socket, identity),
      report: audit.report,
      failed: error => log.error({ event: 'recheck_failed', err: error }, 'live connections were not checked again')
    })
  )
  lifetime.owns(() => listener.close())
  return listener
}
