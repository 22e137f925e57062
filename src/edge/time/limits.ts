// The limits of `edge/time/`, each with its unit in its name. What can be set by a flag has its default here.

/** Edge: a wall clock that moves by more than this between two looks has leapt. */
export const clockStepMsMax = 60_000
/**
 * Edge: how often the kernel is asked whether its clock is synchronised, until it is; after the server told; and for
 * how long.
 */
export const kernelProbeIntervalMs = 10_000
export const kernelProbeIntervalMsMax = 600_000
export const kernelProbeTimeoutMs = 5_000
/** Edge: a clock that is further from the server's than this is told, and not used where nobody else confirms it. */
export const clockOffsetMsMax = 60_000
