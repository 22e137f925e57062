// The limits of `server/access/`, each with its unit in its name. What can be set by a flag has its default here.

/** HTTP: a browser session ends after this long. A token has at most this many sessions; the oldest end first. */
export const sessionMsMax = 12 * 3_600_000
export const sessionsPerTokenMax = 20
export const tokenDaysMax = 3_650
/** HTTP: a revoked token is refused after this long at the latest. */
export const accessRefreshMs = 1_000
/** HTTP: wrong credentials from one address in a minute that are answered with 401. Further ones get 429. */
export const wrongCredentialsPerMinuteMax = 10
/** Audit: repetitions of an event within this time share one row with a count. */
export const auditWindowMs = 10 * 60_000
/**
 * Audit: events that are told apart within that time, and rows that wait for the database. Above it, events are counted
 * by rule.
 */
export const auditKeysMax = 10_000
export const auditWaitingMax = 20_000
/** Audit: identities whose connections are told apart, so that one that flaps does not fill the log. */
export const flappingKeysMax = 200_000
/** Audit: rows kept of strangers and of known identities, and for how long. */
export const auditStrangerRowsMax = 50_000
export const auditKnownRowsMax = 100_000
export const auditDaysMax = 365
