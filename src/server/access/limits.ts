// The limits of `server/access/`, each with its unit in its name. What can be set by a flag has its default here.

/** HTTP: a browser that signed in must do so again after this long; a token has at most so many sessions, the oldest end. */
export const sessionMsMax = 12 * 3_600_000
export const sessionsPerTokenMax = 20
export const tokenDaysMax = 3_650
/** HTTP: what was revoked is refused after this long at the latest. */
export const accessRefreshMs = 1_000
/** HTTP: attempts with wrong credentials from one address and minute that are answered 401; those over it 429. */
export const wrongCredentialsPerMinuteMax = 10
/** Audit: the same event again within this time is one row with a count. */
export const auditWindowMs = 10 * 60_000
/** Audit: events that are told apart within that time, and rows that wait for the database; the rest is counted by rule. */
export const auditKeysMax = 10_000
export const auditWaitingMax = 20_000
/** Audit: identities whose comings and goings are told apart, so that one that flaps does not fill the log. */
export const flappingKeysMax = 200_000
/** Audit: rows kept of strangers and of known identities, and for how long. */
export const auditStrangerRowsMax = 50_000
export const auditKnownRowsMax = 100_000
export const auditDaysMax = 365
