// The help texts of `chargelift db` and of each of its commands.

import { databaseOptionsHelp } from '../shared/database.ts'
import type { NounHelp } from '../shared/noun.ts'

const end = `${databaseOptionsHelp}
  --help               this text

Exit codes: 0 done, 78 the flags or the database have faults (all are printed).
`

export const dbHelp: NounHelp = {
  overview: `Usage: chargelift db status  [--json]
       chargelift db migrate

  status   shows the engine, its sizes, its background jobs and the last maintenance
  migrate  brings the database to the schema of this program

"chargelift db COMMAND --help" explains a command.

Options:
${end}
Example: chargelift db status
`,
  of: {
    status: `Usage: chargelift db status [--json]

Shows the engine and its licence, which of its features are in use, sizes, days and how well they
are compressed, background jobs that fail, and the last run of maintenance. It changes nothing. A
server may run meanwhile.

Options:
  --json               print one JSON object
${end}
Example: chargelift db status --json
`,
    migrate: `Usage: chargelift db migrate

Brings the database to the schema of this program, as a server does when it starts. A schema never
goes back: an older program refuses the database afterwards.

Options:
${end}
Example: chargelift db migrate --database-url postgres://user:password@localhost/chargelift
`
  }
}
