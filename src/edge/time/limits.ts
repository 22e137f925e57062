// The limits of `edge/time/`, each with its unit in its name. What can be set by a flag has its default here.

/** Edge: a wall clock that moves by more than this between two looks has leapt. */
export const clockStepMsMax = 60_000
/**
 * Edge: how often the kernel is asked until it is synchronised; how often after the server has told its time; and the
 * time for an answer.
 */
export const kernelProbeIntervalMs = 10_000
export const kernelProbeIntervalMsMax = 600_000
export const kernelProbeTimeoutMs = 5_000
/**
 * Edge: a clock that differs from the server's by more is reported. It is not used unless somebody else confirms it.
 */
export const clockOffsetMsMax = 60_000
