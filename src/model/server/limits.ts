// The limits of `model/server/`, each with its unit in its name. What can be set by a flag has its default here.

/** Longest MQTT packet accepted from a client, fixed header excluded, in bytes. Checked before anything is buffered. */
export const packetBytesMax = 65_535
/** No connection is held for the budget below this many unacknowledged messages and bytes. */
export const fairShareMessagesMin = 16
export const fairShareBytesMin = 16 * 1024
/**
 * The cost of a message in flight beside its bytes, and of a connection that is not read: buffers of TLS and socket.
 */
export const messageOverheadBytes = 32
export const heldConnectionBytes = 128 * 1024
/** Packets of one connection that are admitted at once are cut off above this; the last one may reach beyond it. */
export const runCutBytes = 64 * 1024
