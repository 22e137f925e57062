// Verifies a baseline that stores a row for each message in a table like the tutorial's.

import type { Database } from '../rig/database.ts'
import type { Expected } from '../rig/product.ts'
import type { Target } from '../rig/target.ts'
import { judge, readStored, VerifyError } from '../rig/verify.ts'
import { tutorialShape } from './insertStore.ts'

export const storedBySql =
  (database: Database, { names, columns }: Expected, shape = tutorialShape): Target['verify'] =>
  async ledger => {
    const stored = await readStored((sql, values) => database.query(sql, values), shape, columns, names.prefix)
    const findings = judge(names.names, ledger, stored, columns, shape.row)
    if (findings.length > 0) throw new VerifyError(findings)
  }
