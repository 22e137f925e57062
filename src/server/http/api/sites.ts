// The sites, with how many chargers each has.

import type { SitesAnswer } from '../../../model/api/api.ts'
import { sitesAnswer } from './answers.ts'
import { endpoint, type ReadPool } from './endpoint.ts'

export const sites = endpoint({
  path: '/api/v1/sites',
  needs: 'viewer',
  summary: 'The sites by name, each with its time zone.',
  parameters: {},
  answers: sitesAnswer,
  async run({ db }: { readonly db: ReadPool }): Promise<SitesAnswer> {
    const { rows } = await db.query<SitesAnswer['sites'][number]>(
      `SELECT sites.name, time_zone AS "timeZone", count(chargers.id)::integer AS chargers
       FROM sites LEFT JOIN chargers ON site = sites.id GROUP BY sites.id ORDER BY sites.name COLLATE "C"`
    )
    return { sites: rows }
  }
})
