// The limits of `server/trust/`, each with its unit in its name. What can be set by a flag has its default here.

/**
 * CA, certificate, key and revocation list are checked this often. A changed file is read when it stays the same until
 * the next check.
 */
export const tlsFilesLookMs = 500
