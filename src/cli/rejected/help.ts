// The help texts of `chargelift rejected` and of each of its commands.

import { databaseOptionsHelp } from '../shared/database.ts'
import type { NounHelp } from '../shared/noun.ts'
import { timeRule } from '../shared/times.ts'

const filter = `  --charger NAME       only the messages of this charger
  --code CODE          only this code, for example time_out_of_window or unknown_value_name
  --since TIME         only what was rejected since then: ${timeRule}`
const listOptions = `  --limit N            list at most N messages (20)
  --json               list as JSON lines, payloads included`
const replayOptions = `  --shift-seconds N    first add N seconds to each SamplingTime, where a clock was wrong (-3600: one
                       hour back)
  --dry-run            only print what would be replayed
  --accept-past-days N oldest SamplingTime that is stored, in days (400)`
const end = `${databaseOptionsHelp}
  --help               this text

Exit codes: 0 done, 78 the flags or the database have faults (all are printed).
`

export const rejectedHelp: NounHelp = {
  overview: `Usage: chargelift rejected list   [--charger NAME] [--code CODE] [--since TIME] [--limit N] [--json]
       chargelift rejected replay [--charger NAME] [--code CODE] [--since TIME]
                                  [--shift-seconds N] [--dry-run]

A rejected message was acknowledged, and is kept in the table rejected_messages with a code and a
reason.
  list    shows the newest of them, and how many there are of each code
  replay  sends them through the ingest path again

"chargelift rejected COMMAND --help" explains a command.

Options:
${filter}
${listOptions}
${replayOptions}
${end}
Example: chargelift rejected list --since 2026-11-01
`,
  of: {
    list: `Usage: chargelift rejected list [--charger NAME] [--code CODE] [--since TIME] [--limit N] [--json]

Shows the newest rejected messages, and how many there are of each code.

Options:
${filter}
${listOptions}
${end}
Example: chargelift rejected list --code time_out_of_window --limit 5
`,
    replay: `Usage: chargelift rejected replay [--charger NAME] [--code CODE] [--since TIME]
                                  [--shift-seconds N] [--dry-run]

Sends rejected messages through the ingest path again, as if they arrived now. A message that is
stored leaves the table. A message that is rejected again stays, with its new reason. A conflict
stays a conflict: the first committed value is final. A server may run meanwhile. The command may
be interrupted and repeated at any time.

Options:
${filter}
${replayOptions}
${end}
Example: chargelift rejected replay --charger wallbox-1 --shift-seconds -3600 --dry-run
`
  }
}
