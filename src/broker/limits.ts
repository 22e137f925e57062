// The limits of `broker/`, each with its unit in its name. What can be set by a flag has its default here.

/** Longest topic accepted, in bytes of UTF-8. */
export const topicBytesMax = 256
/** Most levels of a filter: the topics of the contract have three, commands may have more. */
export const topicLevelsMax = 16
/** Filters of one client, and of one SUBSCRIBE: an edge asks for a few topics of each of its chargers. */
export const clientFiltersMax = 2_048
/** Longest client id: a name, a colon and a suffix. */
export const clientIdCharactersMax = 128
/** QoS 1 messages kept for a clean=false subscriber that is away. Above it the oldest are dropped and counted. */
export const offlineQueueMessagesMax = 10_000
/** All these queues together. Above it the longest queue loses its older half, counted. */
export const offlineQueueBytesMax = 64 * 1024 * 1024
/** Waiting for the turn, a TLS handshake, and the CONNECT after it with its CONNACK, must each end within this time. */
export const handshakeTimeoutMs = 10_000
export const connectTimeoutMs = 10_000
/** A client that takes nothing of its bytes for this long is disconnected. */
export const drainTimeoutMs = 10_000
/** For a client to close a connection that the server has ended; then it is cut. */
export const closeTimeoutMs = 1_000
