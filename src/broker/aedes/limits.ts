// The limits of `broker/aedes/`, each with its unit in its name. What can be set by a flag has its default here.

/** Sessions with clean=false that one identity keeps; one session more ends the one that was used longest ago. */
export const identitySessionsMax = 16
