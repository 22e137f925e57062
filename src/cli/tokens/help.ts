// The help texts of `chargelift tokens` and of each of its commands.

import { tokenDaysMax } from '../../server/access/limits.ts'
import { accessRoles } from '../../server/access/tokens.ts'
import { databaseOptionsHelp } from '../shared/database.ts'
import type { NounHelp } from '../shared/noun.ts'

const end = `${databaseOptionsHelp}
  --help               this text

Exit codes: 0 done, 78 the flags or the database have faults (all are printed).
`

const addOptions = `  --role ROLE          ${accessRoles.join(' | ')} (viewer); each may do what the ones before it may
                       viewer: sees everything but card ids; billing: card ids too; operator: may
                       change things
  --days N             the token ends after N days, 1 to ${tokenDaysMax} (never)`

export const tokensHelp: NounHelp = {
  overview: `Usage: chargelift tokens add NAME [--role ROLE] [--days N]
       chargelift tokens list [--json]
       chargelift tokens revoke NAME

Named tokens for the HTTP port: metrics, API and dashboard. Before the first token is made, a server
that listens on loopback answers every request from this machine. From then on, and always on any
other address, a request needs a token: "Authorization: Bearer TOKEN", or a browser that signed in
with a token at /sign-in.
  add     makes a token and prints it once; only its hash is stored
  list    shows the tokens, their roles, and when each was last used
  revoke  ends a token, and the sessions of the browsers that signed in with it

"chargelift tokens COMMAND --help" explains a command.

Options:
${addOptions}
  --json               list as JSON lines
${end}
Example: chargelift tokens add prometheus --role viewer
`,
  of: {
    add: `Usage: chargelift tokens add NAME [--role ROLE] [--days N]

Makes a token and prints it, alone, on standard output. The token is shown only now: the database
holds its hash. To replace a token, add one of another name, use it, and revoke the old one.

Options:
${addOptions}
${end}
Example: chargelift tokens add prometheus --role viewer --days 365 > prometheus.token
`,
    list: `Usage: chargelift tokens list [--json]

Shows each token: its name, its role, when it was made and last used, and whether it is in force.
The tokens themselves are not stored, so they cannot be shown.

Options:
  --json               list as JSON lines
${end}
Example: chargelift tokens list
`,
    revoke: `Usage: chargelift tokens revoke NAME

Ends a token, and the sessions of the browsers that signed in with it, on every server within
seconds. It cannot be undone; the name can be used again.

Options:
${end}
Example: chargelift tokens revoke prometheus
`
  }
}
