// The help texts of `chargelift import` and of each kind of file.

import { forms, type MasterDataKind, masterDataKinds } from '../../history/billing/masterData.ts'
import { databaseOptionsHelp } from '../shared/database.ts'
import type { NounHelp } from '../shared/noun.ts'

const rules = `Without --apply the command only prints what would change, also in the costs of sessions. All
faults are printed at once, with their lines. A file is imported as a whole or not at all. What is
not in the file stays as it is.`

const end = `Options:
  --apply              change the database (without it: a dry run)
${databaseOptionsHelp}
  --help               this text

Exit codes: 0 done, 78 the file, the flags or the database have faults (all are printed).
`

const about: Readonly<Record<MasterDataKind, string>> = {
  sites: `  time_zone is a name like Europe/Berlin; the days and months of its chargers begin there`,
  chargers: `  site and tariff are names that were imported before
  an empty cell removes what is stored; an absent column leaves it as it is`,
  tariffs: `  a line for each window: from and to on the clock of the site, at quarter hours (empty: the whole
  day); valid_from and valid_to are days, both included (empty: without end); prices from a
  valid_from on replace all that the tariff had from that day on`,
  cards: `  uid as the charger reports it
  a card that passes to another person is a second line with a later valid_from`
}

const helpOfKind = (kind: MasterDataKind): string => `Usage: chargelift import ${kind} FILE.csv [--apply]

Imports ${kind} from a spreadsheet.

${rules}

Columns, in any order, separated by commas or semicolons:
  ${forms[kind].columns.join(',')}
${about[kind]}

${end}
Example: chargelift import ${kind} ${kind}.csv --apply
`

export const importHelp: NounHelp = {
  overview: `Usage: chargelift import sites FILE.csv [--apply]
       chargelift import chargers FILE.csv [--apply]
       chargelift import tariffs FILE.csv [--apply]
       chargelift import cards FILE.csv [--apply]

Imports sites with their time zones, master data of chargers, tariffs, and the owners of cards from
spreadsheets.

${rules}

Columns, in any order, separated by commas or semicolons:
${masterDataKinds.map(kind => `  ${kind.padEnd(9)} ${forms[kind].columns.join(',')}`).join('\n')}

"chargelift import KIND --help" explains the columns of a kind.

${end}
Example: chargelift import sites sites.csv --apply
`,
  of: Object.fromEntries(masterDataKinds.map(kind => [kind, helpOfKind(kind)]))
}
