// Waiting for the order to stop: the first SIGTERM or SIGINT is a request, the second is obeyed at once.

const forcedExitCode = 130

export function untilStopped(): Promise<NodeJS.Signals> {
  return new Promise(resolve => {
    const onSignal = (signal: NodeJS.Signals): void => {
      resolve(signal)
      for (const again of ['SIGTERM', 'SIGINT'] as const) {
        process.off(again, onSignal)
        process.on(again, () => process.exit(forcedExitCode))
      }
    }
    process.on('SIGTERM', onSignal)
    process.on('SIGINT', onSignal)
  })
}
