// What the HTTP port and the other processes are answered from. It exists before everything else, and the stages fill
// it. While a part is missing, the answer is that the server is starting.

import type { TokenCache } from '../access/tokenCache.ts'
import type { ApiParts } from '../http/api/api.ts'
import type { Readiness } from '../http/health.ts'
import type { Exposition } from '../monitoring/exposition.ts'
import type { IngestMeter } from '../monitoring/ingestMeter.ts'
import type { IngestShare } from '../monitoring/ingestOfAll.ts'
import { goingAway, type ReadinessParts, readiness, starting } from '../monitoring/readiness.ts'
import type { Answers } from '../peers/processLink.ts'

/** Parts that answer when the start is complete. */
export interface Running extends ReadinessParts {
  readonly exposition: Pick<Exposition, 'contentType' | 'json' | 'text'>
  readonly meter: Pick<IngestMeter, 'share'>
}

export class Serving implements Answers {
  tokenCache: TokenCache | undefined
  api: ApiParts | undefined
  running: Running | undefined
  isStopping = false

  readiness(): Readiness | Promise<Readiness> {
    if (this.isStopping) return goingAway
    return this.running === undefined ? starting : readiness(this.running)
  }

  metrics(): Promise<object[]> | undefined {
    return this.running?.exposition.json()
  }

  ingest(): IngestShare | undefined {
    return this.running?.meter.share()
  }
}
