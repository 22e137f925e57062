// Who may publish, subscribe and receive what, beside telemetry (which the gate decides by its first bytes).
// Pure; denies by default.

import type { Identity } from '../model/server/admission.ts'
import { commandChargerOf, isChargerName, topicRoot } from '../model/wire/topics.ts'
import { topicBytesMax, topicLevelsMax } from './limits.ts'

/** Publishes that reach Aedes: an operator's commands. */
export const mayPublish = (identity: Identity, topic: string): boolean =>
  identity.role === 'operator' && commandChargerOf(topic) !== undefined

/** Asked for each filter of a SUBSCRIBE, and for those of a restored session. */
export const maySubscribe = (identity: Identity, filter: string): boolean =>
  filter.length <= topicBytesMax && areLevels(filter.split('/')) && mayRead(identity, filter)

/** Topics of ours have no empty level, and few. */
const areLevels = (levels: readonly string[]): boolean => levels.length <= topicLevelsMax && !levels.includes('')

/**
 * Whether every topic that `filter` can match may be read. Asked again for each topic at delivery: a subscription may
 * have outlived its right.
 */
export function mayRead(identity: Identity, filter: string): boolean {
  if (filter.startsWith('$')) return identity.role === 'operator' && /^\$SYS(\/|$)/.test(filter)
  if (identity.role === 'operator') return true
  if (!filter.startsWith(topicRoot)) return false
  if (identity.chargers === undefined) return true
  const charger = filter.split('/')[1]!
  return (
    isChargerName(charger) &&
    filter.length > topicRoot.length + charger.length + 1 &&
    identity.chargers.includes(charger)
  )
}
