// Topic filters by MQTT 3.1.1, section 4.7, in slow and plain code. Tests compare the broker's matching with them.

import { below, pick } from '../../model/testing/random.ts'

/** Returns whether the topic matches the filter. An illegal filter matches nothing. */
export function matches(filter: string, topic: string): boolean {
  if (!isLegalFilter(filter)) return false
  if (topic.startsWith('$') && /^[+#]/.test(filter)) return false
  return levelsMatch(filter.split('/'), topic.split('/'))
}

function levelsMatch([first, ...filter]: readonly string[], topic: readonly string[]): boolean {
  if (first === undefined) return topic.length === 0
  if (first === '#') return true
  if (topic.length === 0) return false
  if (filter.length === 1 && filter[0] === '#' && topic.length === 1) return first === '+' || first === topic[0]
  return (first === '+' || first === topic[0]) && levelsMatch(filter, topic.slice(1))
}

const isLegalFilter = (filter: string): boolean => {
  const levels = filter.split('/')
  return (
    filter !== '' &&
    levels.every((level, i) => !/[+#]/.test(level) || level === '+' || (level === '#' && i === levels.length - 1))
  )
}

/** Returns a random filter or topic, legal or illegal, near the shape of the contract's topics. */
export function randomFilter(random: () => number, chargers: readonly string[], names: readonly string[]): string {
  const levels = [
    pick(random, ['chargers', 'chargers', 'chargers', '+', '#', '$SYS', '$share', 'Chargers', '']),
    pick(random, [...chargers, '+', '#', '', 'c', 'c1+', '$SYS']),
    pick(random, [...names, '+', '#', '', 'commands', '#x']),
    pick(random, ['+', '#', '', 'start'])
  ]
  return levels.slice(0, 1 + below(random, levels.length)).join('/')
}
