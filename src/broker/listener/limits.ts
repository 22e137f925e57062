// The limits of `broker/listener/`, each with its unit in its name. What can be set by a flag has its default here.

/** Open connections in total, half-open ones included; above it newcomers are closed unread. */
export const connectionsMaxDefault = 50_000
/** Connections of one identity at a time; above it the newcomer is refused. */
export const connectionsPerIdentityMax = 100
/** TLS handshakes begun per second; above it connections wait for their turn, each network address in its own row. */
export const handshakesPerSecondDefault = 1_000
/** Connections that wait for their handshake; above it the last of the longest row is closed. */
export const handshakesWaitingMax = 20_000
/** Connections that the system holds before the server has looked at them. */
export const listenBacklog = 4_096
/** Live connections are closed when their certificate ends; looked at this often. */
export const expiryLookMs = 30_000
