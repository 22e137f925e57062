// The limits of `pki/revocation/`, each with its unit in its name. What can be set by a flag has its default here.

/** The clock of the machine that signs revocation lists may be ahead of a server's by this much. */
export const clockSkewMs = 5 * 60_000
