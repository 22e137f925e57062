// What the process of the edge takes from its environment.

export interface EdgeEnvironment {
  /** systemd waits for notifications (sd_notify). */
  readonly hasNotifySocket: boolean
  /** systemd restarts a service from which it has not heard for this long; undefined where it does not watch. */
  readonly watchdogMs: number | undefined
}

export function readEnvironment(env: NodeJS.ProcessEnv = process.env): EdgeEnvironment {
  return {
    hasNotifySocket: Boolean(env.NOTIFY_SOCKET),
    watchdogMs: watchdogMsOf(env)
  }
}

/** For another process than this one it is not meant (sd_watchdog_enabled). */
function watchdogMsOf({ WATCHDOG_USEC: time, WATCHDOG_PID: pid }: NodeJS.ProcessEnv): number | undefined {
  const isOurs = pid === undefined || Number(pid) === process.pid
  return isOurs && Number(time) > 0 ? Number(time) / 1000 : undefined
}
