// Monitoring: problems of chargers, the figures of the ingest page, the watch over progress, and the quotas of rejected
// messages. It reads the data path and decides nothing about it.

import type { Pool } from 'pg'
import { atMost } from '../../model/atMost.ts'
import { stopRestMs } from '../limits.ts'
import { IngestMeter } from '../monitoring/ingestMeter.ts'
import { IngestOfAll } from '../monitoring/ingestOfAll.ts'
import { Monitoring } from '../monitoring/monitoring.ts'
import { Progress, progressReport } from '../monitoring/progress.ts'
import type { Recorder } from '../monitoring/recorder.ts'
import type { ProcessLink } from '../peers/processLink.ts'
import { faultOf } from '../store/databaseWatch.ts'
import type { DataPath } from './dataPath.ts'
import type { Front } from './front.ts'
import { startQuotas } from './quotas.ts'
import { type Startup, whenDatabaseAnswers } from './startup.ts'

export interface MonitoringStage {
  readonly monitoring: Monitoring
  readonly meter: IngestMeter
  /** Of all processes of this server. */
  readonly figures: Pick<IngestMeter, 'figures'>
  readonly progress: Progress
}

export interface MonitoringNeeds extends Pick<Front, 'credentials' | 'processLink'> {
  readonly db: Pool
  readonly dataPath: Pick<DataPath, 'shadow' | 'ingest' | 'budget' | 'broker'>
  readonly recorder: Recorder
}

export async function startMonitoring(startup: Startup, needs: MonitoringNeeds): Promise<MonitoringStage> {
  const { config, log, lifetime } = startup
  const { db, dataPath, recorder, credentials, processLink } = needs
  const { shadow, ingest, budget, broker } = dataPath
  const isInTrouble = (): boolean => ingest.trouble !== undefined
  const monitoring = new Monitoring({ config, log, db, chargers: shadow.byCharger, isInTrouble })
  await whenDatabaseAnswers(startup, () => monitoring.load())
  const stopMonitoring = monitoring.start()
  lifetime.owns(() => atMost(stopRestMs, stopMonitoring()))
  const meter = new IngestMeter({
    node: config.nodeId,
    version: monitoring.version,
    ingest,
    recorder,
    database: monitoring.database,
    budget,
    credentials,
    connections: () => broker.gates.size,
    problems: monitoring.problems
  })
  lifetime.owns(meter.watch())
  const figures = figuresOf(startup, meter, processLink)
  const progress = new Progress({
    counters: ingest.counters,
    now: Date.now,
    databaseFault: () => faultOf(db),
    report: progressReport(log)
  })
  lifetime.owns(progress.watch())
  startQuotas(startup, needs)
  return { monitoring, meter, figures, progress }
}

/** The first of several processes speaks for all: it serves the HTTP port. */
function figuresOf(
  { config, lifetime }: Startup,
  meter: IngestMeter,
  processLink: Pick<ProcessLink, 'ingest'> | undefined
): Pick<IngestMeter, 'figures'> {
  if (processLink === undefined || config.part?.number !== 1) return meter
  const all = new IngestOfAll(
    () => meter.figures(),
    () => processLink.ingest()
  )
  lifetime.owns(all.watch())
  return all
}
