// Starts the demo's chargers and groups them into sites, one for each edge. There are three chargers in different
// phases of a session, or more, with up to fifty chargers per edge. All chargers run in this process. A large fleet is
// polled less often, to spare the CPU.

import { startSimulatedCharger } from './simulatedCharger.ts'

export const fleetDefault = 3
export const fleetMax = 500
const chargersPerEdge = 50
const pollIntervalMsMin = 1_000
/** The limit for all chargers together. */
const pollsPerSecondMax = 40

const devKey = '0000'
const firstPhases = ['connect', 'idle', 'resume'] as const

export interface SimulatedBox {
  readonly name: string
  readonly url: string
  readonly devKey: string
}

export interface SimulatedSite {
  /** The CN of the edge's certificate. */
  readonly edge: string
  readonly boxes: readonly SimulatedBox[]
  readonly pollIntervalMs: number
}

export interface SimulatedFleet {
  readonly sites: readonly SimulatedSite[]
  stop(): Promise<void>
}

export const chargerNames = (count: number): string[] =>
  Array.from({ length: count }, (_, i) => (i === 0 ? 'demo-charger' : `demo-charger-${i + 1}`))

export async function startSimulatedFleet(count: number): Promise<SimulatedFleet> {
  const started: Awaited<ReturnType<typeof startSimulatedCharger>>[] = []
  const stop = async (): Promise<void> => {
    await Promise.all(started.map(charger => charger.stop()))
  }
  try {
    const boxes: SimulatedBox[] = []
    for (const [i, name] of chargerNames(count).entries()) {
      const charger = await startSimulatedCharger({ port: 0, devKey, name, ...rhythm(i) })
      started.push(charger)
      boxes.push({ name, url: charger.url, devKey })
    }
    const pollIntervalMs = Math.max(pollIntervalMsMin, Math.ceil((count / pollsPerSecondMax) * 1000))
    const sites = Array.from({ length: Math.ceil(count / chargersPerEdge) }, (_, i) => ({
      edge: i === 0 ? 'demo-edge' : `demo-edge-${i + 1}`,
      boxes: boxes.slice(i * chargersPerEdge, (i + 1) * chargersPerEdge),
      pollIntervalMs
    }))
    return { sites, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/**
 * Sessions must not run in step. After the first three chargers, a session lasts from four minutes to a good half hour.
 */
const rhythm = (i: number) => ({
  seed: 100_000 + i, // neighbours get different cards
  startPhase: firstPhases[i % firstPhases.length]!,
  speed: i < firstPhases.length ? 1 : 1 / (1 + ((i * 7) % 17) / 2)
})
