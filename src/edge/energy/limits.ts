// The limits of `edge/energy/`, each with its unit in its name. What can be set by a flag has its default here.

/** Edge: so many implausible readings in a row make a counter or meter the new baseline. */
export const energyDoubtsMax = 3
/**
 * Edge: the second copy of the lifetime energy is written when a session begins, and this often while energy is added.
 */
export const energyFileIntervalMs = 900_000
