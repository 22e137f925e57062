// Prometheus' own judge of metrics, rules and their tests.

import { spawnSync } from 'node:child_process'

/** Why it cannot be asked, or false. */
export const promtoolMissing: string | false =
  spawnSync('promtool', ['--version']).error === undefined ? false : 'no promtool: apt-get install -y prometheus'

export function promtool(
  args: readonly string[],
  input = ''
): { status: number | null; stdout: string; stderr: string } {
  return spawnSync('promtool', args, { input, encoding: 'utf8' })
}
