// The limits of `cli/`, each with its unit in its name. What can be set by a flag has its default here.

/** Rows that an export reads and makes into text at once. */
export const exportPageRows = 2_000
