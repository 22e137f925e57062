// The report of a process that watches the fleet, for dashboards over MQTT and for pages over HTTP.

import type { Histogram, HistogramCounts } from './histogram.ts'

export interface DashboardReport {
  /** The number of messages about values, over all dashboards. */
  readonly received: number
  readonly wentBack: number
  readonly closed: number
  /** The time from SamplingTime to arrival, since the report before. */
  readonly latency: HistogramCounts
  /** The newest payload of each topic, for each dashboard. */
  readonly newest: readonly ReadonlyMap<string, string>[]
}

export interface DashboardCalls {
  report(): Promise<DashboardReport>
}

interface Watcher {
  readonly received: number
  readonly wentBack: number
  readonly closed: number
  readonly newest: ReadonlyMap<string, string>
}

/** The report contains the newest values only of the watchers in `whole`. */
export function reporting(latency: Histogram, watchers: readonly Watcher[], whole: readonly Watcher[]): DashboardCalls {
  const total = (of: (watcher: Watcher) => number): number => watchers.reduce((sum, watcher) => sum + of(watcher), 0)
  return {
    async report() {
      const counts = latency.counts()
      latency.reset()
      return {
        received: total(({ received }) => received),
        wentBack: total(({ wentBack }) => wentBack),
        closed: total(({ closed }) => closed),
        latency: counts,
        newest: whole.map(({ newest }) => newest)
      }
    }
  }
}
