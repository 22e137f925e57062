// What can be wrong with a charger: the conditions that the HTTP API, the metrics and the webhook name.

export const conditions = [
  'silent',
  'offline',
  'unreachable',
  'fault',
  'backlog',
  'clock',
  'certificate',
  'version'
] as const
export type Condition = (typeof conditions)[number]
