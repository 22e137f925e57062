// The help texts of `chargelift month` and of each of its commands.

import { databaseOptionsHelp } from '../shared/database.ts'
import type { NounHelp } from '../shared/noun.ts'

const end = `${databaseOptionsHelp}
  --help               this text

Exit codes: 0 done, 78 the month cannot be closed, or the flags or the database have faults (all are
printed).
`

const site = '  --site SITE          only this site; "" means the chargers without a site (all)'
const force = '  --force              close the month although data is missing'

export const monthHelp: NounHelp = {
  overview: `Usage: chargelift month close 2026-10 [--site SITE] [--force]
       chargelift month list [--json]
       chargelift month show 2026-10 [--site SITE] [--json]

Closes months for cost allocation and reimbursement (not metering under calibration law). A session
belongs to the month in which it ended, on the clock of its site. A month is the sum of the rounded
amounts of its sessions.
  close  stores a statement for each site; nobody can change it afterwards
  list   shows the closed months
  show   shows one of them, its corrections, and what has changed since

"chargelift month COMMAND --help" explains a command.

Options:
${site}
${force}
  --json               list: JSON lines; show: the stored statement
${end}
Example: chargelift month close 2026-10
`,
  of: {
    close: `Usage: chargelift month close MONTH [--site SITE] [--force]

Stores a statement for each site; nobody can change it afterwards. The command refuses while an edge
still has samples to send, where a charger reported nothing for more than an hour, and while late
rows are not derived yet. --force closes the month all the same, and the statement names what was
missing. What changes later is a correction in the next month that is closed.

Options:
${site}
${force}
${end}
Example: chargelift month close 2026-10 --site Depot
`,
    list: `Usage: chargelift month list [--json]

Shows the closed months of all sites: sessions, energy, amounts, and the SHA-256 of each statement.

Options:
  --json               print JSON lines
${end}
Example: chargelift month list
`,
    show: `Usage: chargelift month show MONTH [--site SITE] [--json]

Shows a closed month by charger and by card, its corrections, and what has changed since. --json
prints the statement as it was stored, byte for byte: its SHA-256 is the one that list and show
print.

Options:
${site}
  --json               print the stored statement
${end}
Example: chargelift month show 2026-10 --site Depot --json | sha256sum
`
  }
}
