// What those who watch the fleet tell of it, dashboards over MQTT and pages over HTTP alike.

import type { Histogram, HistogramCounts } from './histogram.ts'

export interface DashboardReport {
  /** Messages about values, of all dashboards. */
  readonly received: number
  readonly wentBack: number
  readonly closed: number
  /** From SamplingTime to arrival, since the report before. */
  readonly latency: HistogramCounts
  /** By dashboard: newest payload of each topic. */
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

/** `whole`: of those the report has what is newest. */
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
