// The part of one of several processes: what the primary found for all of them, and how they share the limits.

import { budgetBytesMin } from './limits.ts'

/** Which of several processes, and what the primary found for all. */
export interface ProcessPart {
  readonly number: number
  readonly of: number
  readonly mqttPorts: readonly number[]
  readonly httpPort: number
  readonly databaseUrl: string
}

/** The environment variable in which a process finds its part. */
export const processPartName = 'CHARGELIFT_PROCESS_PART'

/** What processes share of a configuration, or have each of their own. */
interface Whole {
  readonly nodeId: string
  readonly connectionsMax: number
  readonly handshakesPerSecond: number
  readonly budgetBytes: number
}

/** What one of several processes takes of the limits of all. */
export function partOf<Config extends Whole>(config: Config, text: string | undefined): Config {
  if (text === undefined) return config
  const part: ProcessPart = JSON.parse(text)
  const share = (whole: number, least: number): number => Math.max(least, Math.ceil(whole / part.of))
  return {
    ...config,
    part,
    mqttPorts: part.mqttPorts,
    httpPort: part.httpPort,
    databaseUrl: part.databaseUrl,
    nodeId: `${config.nodeId}.${part.number}`,
    connectionsMax: share(config.connectionsMax, 1),
    handshakesPerSecond: share(config.handshakesPerSecond, 1),
    budgetBytes: share(config.budgetBytes, budgetBytesMin)
  }
}
