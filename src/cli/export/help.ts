// The help texts of `chargelift export` and of each kind of export.

import { energyResolutions } from '../../history/query/energy.ts'
import { boundRule } from '../../history/query/within.ts'
import { databaseOptionsHelp } from '../shared/database.ts'
import type { NounHelp } from '../shared/noun.ts'

const range = `  --from TIME          ${boundRule}
                       days begin at midnight of each charger's site
  --to TIME            the end of the range, itself not included (now)
  --charger NAME       only this charger
  --site NAME          only the chargers of this site
  --format FORMAT      csv (UTF-8, times with offset, units in the header) | json (csv)
  --separator WORD     for csv: comma | semicolon, the latter with decimal commas (comma)`
const resolution = `
  --resolution R       ${energyResolutions.join(' | ')} (1d)`
const end = `  --output FILE        a file instead of standard output; it appears when it is complete
${databaseOptionsHelp}
  --read-database-url URL  read from another database, for example a replica, which may lag
  --help               this text

Exit codes: 0 done, 78 the flags or the database have faults (all are printed).
`

const helpOfKind = (
  kind: string,
  about: string,
  example: string
): string => `Usage: chargelift export ${kind} --from TIME [--to TIME] [flags]

${about}

Options:
${range}${kind === 'energy' ? resolution : ''}
${end}
Example: chargelift export ${kind} ${example}
`

export const exportHelp: NounHelp = {
  overview: `Usage: chargelift export sessions|readings|energy|month --from TIME [--to TIME] [flags]

Writes all rows of a range. It reads the database itself, so no server need run.
  sessions  charging sessions that ended in the range
  readings  the values that are stored of each charger, by time
  energy    energy, mean power and peak power by charger and quarter hour, hour, day or month
  month     the lines of the statements of closed months ("chargelift month close")

Evidence for cost allocation and reimbursement, not metering under calibration law.

"chargelift export KIND --help" explains a kind.

Options:
${range}${resolution.replace('R       ', 'R       for energy: ')}
${end}
Example: chargelift export sessions --from 2026-10-01 --to 2026-11-01 --output october.csv
`,
  of: {
    sessions: helpOfKind(
      'sessions',
      'Writes the charging sessions that ended in the range. A range that reaches the present also has the\nsessions that are still open.',
      '--from 2026-10-01 --to 2026-11-01 --output october.csv'
    ),
    readings: helpOfKind(
      'readings',
      'Writes what is stored of each charger, by time. A value that did not change is repeated, for a day\nat most.',
      '--from 2026-11-28 --charger wallbox-1 --format json'
    ),
    energy: helpOfKind(
      'energy',
      'Writes energy, mean power and peak power by charger and quarter hour, hour, day or month.',
      '--from 2026-01-01 --resolution 1mo --separator semicolon'
    ),
    month: helpOfKind(
      'month',
      'Writes the lines of the statements of closed months ("chargelift month close").',
      '--from 2026-10-01 --to 2026-11-01 --site Depot'
    )
  }
}
