// The topics of the wire contract: `chargers/{charger}/{ValueName}` and the few words beside the values.
// Source: DESIGN of the wire contract, described in ARCHITECTURE.md. Pure.

import { chargerNameCharactersMax, valueNameCharactersMax } from './limits.ts'

export const topicRoot = 'chargers/'
/** Presence, set by the server alone. */
export const connectionName = 'Connection'
/** The state of the edge itself. */
export const edgeStatusName = 'EdgeStatus'
export const commandsName = 'commands'
/** A certificate names its chargers by SAN URIs that begin with this. */
export const chargerUrnPrefix = 'urn:chargelift:charger:'

const chargerNamePattern = new RegExp(`^[A-Za-z0-9][A-Za-z0-9._-]{0,${chargerNameCharactersMax - 1}}$`)
const valueNamePattern = new RegExp(`^[A-Za-z0-9_]{1,${valueNameCharactersMax}}$`)

/** The same pattern serves chargers, devices and the CN of certificates. */
export const isChargerName = (text: string): boolean => chargerNamePattern.test(text)
const isValueName = (text: string): boolean => valueNamePattern.test(text)

export const chargerNameRule = `1 to ${chargerNameCharactersMax} of A-Z a-z 0-9 . _ - (the first a letter or digit)`

export const topicOf = (charger: string, name: string): string => `${topicRoot}${charger}/${name}`

/** `{charger, name}` of a topic with exactly three levels under the root, else undefined. */
export function parseTopic(topic: string): { charger: string; name: string } | undefined {
  if (!topic.startsWith(topicRoot)) return undefined
  const slash = topic.indexOf('/', topicRoot.length)
  if (slash < 0) return undefined
  const charger = topic.slice(topicRoot.length, slash)
  const name = topic.slice(slash + 1)
  return isChargerName(charger) && isValueName(name) ? { charger, name } : undefined
}

/** The charger of `chargers/{charger}/commands/...`, else undefined. At least one level follows `commands`. */
export function commandChargerOf(topic: string): string | undefined {
  const [root, charger, word, ...rest] = topic.split('/')
  if (`${root}/` !== topicRoot || word !== commandsName || rest.length === 0) return undefined
  if (rest.some(level => level === '')) return undefined
  return charger !== undefined && isChargerName(charger) ? charger : undefined
}
