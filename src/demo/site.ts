// Makes the site of the demo's chargers: this machine's time zone and a price, so that the dashboard shows days, months
// and costs. Existing settings stay, whether an earlier start or the operator made them.

import { Client } from 'pg'

const site = 'Demo site'
const tariff = 'Demo tariff'
const pricePerKwh = 0.28
const currency = 'EUR'

export async function prepareSite(databaseUrl: string, chargers: readonly string[]): Promise<void> {
  const db = new Client({ connectionString: databaseUrl, application_name: 'chargelift demo' })
  await db.connect()
  try {
    await db.query(
      `INSERT INTO sites (name, time_zone)
       SELECT $1, coalesce((SELECT name FROM pg_timezone_names WHERE name = $2), 'UTC') ON CONFLICT (name) DO NOTHING`,
      [site, Intl.DateTimeFormat().resolvedOptions().timeZone]
    )
    await db.query(
      `INSERT INTO tariffs (name, price_per_kwh, currency) SELECT $1, $2, $3
       WHERE NOT EXISTS (SELECT FROM tariffs WHERE name = $1)`,
      [tariff, pricePerKwh, currency]
    )
    await db.query(
      `INSERT INTO chargers (name, site, label, tariff)
       SELECT wanted.name, sites.id, 'Bay ' || wanted.bay, $2
       FROM sites, unnest($3::text[]) WITH ORDINALITY AS wanted (name, bay) WHERE sites.name = $1 ORDER BY wanted.bay
       ON CONFLICT (name) DO UPDATE SET site = coalesce(chargers.site, excluded.site),
         label = coalesce(chargers.label, excluded.label), tariff = coalesce(chargers.tariff, excluded.tariff)`,
      [site, tariff, chargers]
    )
  } finally {
    await db.end()
  }
}
