// Runs promtool, the checker of Prometheus for metrics, rules and tests of rules.

import { spawnSync } from 'node:child_process'

/** The reason why promtool cannot run, or false. */
export const promtoolMissing: string | false =
  spawnSync('promtool', ['--version']).error === undefined ? false : 'no promtool: apt-get install -y prometheus'

export function promtool(
  args: readonly string[],
  input = ''
): { status: number | null; stdout: string; stderr: string } {
  return spawnSync('promtool', args, { input, encoding: 'utf8' })
}
