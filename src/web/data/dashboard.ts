// Holds the data that all pages share: the fleet, which the live connection keeps up to date, and the hooks that read
// the fleet.

import { createContext } from 'preact'
import { useContext, useEffect, useState } from 'preact/hooks'
import type { ChargerSummary, ChargersAnswer, LiveStatus, ProblemsAnswer } from '../../model/api/api.ts'
import { ask, askAll } from './ask.ts'
import { FleetStore } from './fleetStore.ts'
import { Live, type LiveState } from './live.ts'

/** The list is loaded again from time to time, because sites change, and today's energy starts at zero at midnight. */
const reloadMs = 5 * 60_000
const problemsMs = 30_000
const chargersPerPage = 1_000

export class Dashboard {
  readonly fleet = new FleetStore()
  readonly live: Live
  /** The reason why the list could not be loaded. Undefined when the list is loaded. */
  fault: string | undefined
  isLoaded = false
  readonly #statusWatchers = new Set<(statuses: readonly LiveStatus[]) => void>()
  #loading: Promise<void> | undefined
  readonly #timers: ReturnType<typeof setInterval>[] = []

  constructor() {
    this.live = new Live({
      news: ({ readings, connections, statuses }) => {
        this.fleet.connections(connections)
        this.fleet.readings(readings)
        if (statuses.length > 0) for (const watcher of this.#statusWatchers) watcher(statuses)
      },
      loadAnew: () => void this.load()
    })
  }

  start(): void {
    this.live.start()
    void this.load()
    this.#timers.push(
      setInterval(() => void this.load(), reloadMs),
      setInterval(() => void this.#problems(), problemsMs)
    )
  }

  stop(): void {
    this.live.stop()
    for (const timer of this.#timers.splice(0)) clearInterval(timer)
  }

  watchStatuses(news: (statuses: readonly LiveStatus[]) => void): () => void {
    this.#statusWatchers.add(news)
    return () => this.#statusWatchers.delete(news)
  }

  /** Runs one request at a time. Callers during a request wait for the same request. */
  load(): Promise<void> {
    this.#loading ??= this.#load().finally(() => {
      this.#loading = undefined
    })
    return this.#loading
  }

  async #load(): Promise<void> {
    const problems = this.#problems()
    try {
      const chargers = await askAll<ChargersAnswer, ChargerSummary>(
        '/api/v1/chargers',
        { limit: chargersPerPage },
        answer => answer.chargers
      )
      this.isLoaded = true
      this.fault = undefined
      this.fleet.load(chargers)
    } catch (error) {
      this.fault = (error as Error).message
      this.fleet.touch()
    }
    await problems
  }

  /** A failure changes nothing, because problems are loaded again soon. */
  async #problems(): Promise<void> {
    try {
      this.fleet.loadProblems((await ask<ProblemsAnswer>('/api/v1/problems')).problems)
    } catch {}
  }
}

export const DashboardContext = createContext<Dashboard>(undefined as unknown as Dashboard)
export const useDashboard = (): Dashboard => useContext(DashboardContext)

/**
 * Renders the component again when the fleet has changed. Events arrive once per animation frame, so it renders at most
 * once per frame.
 */
export function useFleet(): FleetStore {
  const { fleet } = useDashboard()
  const [, setRevision] = useState(0)
  useEffect(() => fleet.watch(() => setRevision(fleet.revision.all)), [fleet])
  return fleet
}

export function useLive(): LiveState & { readonly live: Live } {
  const { live } = useDashboard()
  const [, setCount] = useState(0)
  useEffect(() => live.watch(() => setCount(count => count + 1)), [live])
  return { ...live.state, live }
}

/** The server's time, updated every second. */
export function useNow(): number {
  const { live } = useDashboard()
  const [now, setNow] = useState(live.now())
  useEffect(() => {
    const timer = setInterval(() => setNow(live.now()), 1_000)
    return () => clearInterval(timer)
  }, [live])
  return now
}

export function useMedia(query: string): boolean {
  const [matches, setMatches] = useState(() => matchMedia(query).matches)
  useEffect(() => {
    const list = matchMedia(query)
    const changed = (): void => setMatches(list.matches)
    changed()
    list.addEventListener('change', changed)
    return () => list.removeEventListener('change', changed)
  }, [query])
  return matches
}

export interface Asked<Answer> {
  /** The last answer. It stays while the next answer is loading. */
  readonly answer: Answer | undefined
  readonly fault: string | undefined
  readonly isAsking: boolean
}

/** Asks when `key` changes. Drops the answer to an older key. */
export function useAsk<Answer>(key: string, asking: (signal: AbortSignal) => Promise<Answer>): Asked<Answer> {
  const [asked, setAsked] = useState<Asked<Answer>>({ answer: undefined, fault: undefined, isAsking: true })
  useEffect(() => {
    const abort = new AbortController()
    setAsked(({ answer }) => ({ answer, fault: undefined, isAsking: true }))
    asking(abort.signal).then(
      answer => !abort.signal.aborted && setAsked({ answer, fault: undefined, isAsking: false }),
      (error: Error) =>
        !abort.signal.aborted && setAsked(({ answer }) => ({ answer, fault: error.message, isAsking: false }))
    )
    return () => abort.abort()
  }, [key])
  return asked
}
