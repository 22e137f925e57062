// The baseline `telegraf`: Mosquitto, and Telegraf with a persistent session. Telegraf acknowledges a message to
// Mosquitto when its PostgreSQL output has written the message. The baseline needs the program (`--telegraf PATH`). It
// stores numbers only, because Telegraf's value column has one type. The settings follow Telegraf's documentation
// (inputs mqtt_consumer, outputs postgresql), with wide limits.

import { spawn } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { columns } from '../load/columns.ts'
import { Credentials } from '../load/credentials.ts'
import type { Database } from '../rig/database.ts'
import { cpuMsOf } from '../rig/processes.ts'
import type { StoredShape } from '../rig/verify.ts'
import type { Baseline } from './baselines.ts'
import { type Mosquitto, mosquittoMissing, startMosquitto } from './mosquitto.ts'
import { storedBySql } from './stored.ts'

const name = 'telegraf'
const numberColumns = columns.filter(({ scale }) => scale !== undefined)
/** Counting rows takes database time, so rows are counted at most once in this time. */
const countIntervalMs = 500
const subscribedAfterMs = 3_000

const shape: StoredShape = {
  from: `(SELECT time, charger, ${numberColumns
    .map(({ valueName, column }) => `CASE WHEN name = '${valueName}' THEN "Value" END AS ${column}`)
    .join(', ')} FROM mqtt_consumer) r`,
  charger: 'r.charger',
  row: 'message'
}

export const telegraf: Baseline = {
  summary: 'Mosquitto and Telegraf with a persistent session and its PostgreSQL output',
  missing({ telegraf: program, values }) {
    if (program === undefined) return 'no --telegraf PATH'
    if (!existsSync(program)) return `no program at ${program}`
    if (columns.slice(0, values).some(({ scale }) => scale === undefined))
      return 'it stores numbers only: --values 4 or less'
    return mosquittoMissing()
  },
  async start(bench, expected) {
    const { certs, telegraf: program } = bench.settings
    const database = await (await bench.databases()).fresh()
    const mosquitto = await startMosquitto(certs)
    await writeConfig(mosquitto, resolve(certs), database.url)
    const child = spawn(program!, ['--config', join(mosquitto.dir, 'telegraf.conf')], { stdio: 'ignore' })
    const ended = new Promise(resolve => child.once('close', resolve))
    await sleep(subscribedAfterMs)
    if (child.exitCode !== null) throw new Error(`expected Telegraf to run, found that it ended with ${child.exitCode}`)
    return {
      name,
      address: { host: '127.0.0.1', port: mosquitto.port, certs },
      storing: [name, 'database'],
      row: 'message',
      cpu() {
        const databaseMs = database.cpuMs()
        const database_ = databaseMs === undefined ? {} : { database: databaseMs }
        return { mosquitto: mosquitto.cpuMs(), telegraf: cpuMsOf(child.pid!), ...database_ }
      },
      rssBytes: () => mosquitto.rssBytes(),
      metrics: async () => undefined,
      stored: counter(database),
      verify: storedBySql(database, expected, shape),
      async close() {
        child.kill('SIGKILL')
        await ended
        await mosquitto.stop()
        await database.close()
      }
    }
  }
}

/**
 * Returns a function that counts the stored rows. Telegraf creates the table with its first row, so the count is 0
 * before.
 */
function counter(database: Database): () => Promise<number> {
  let count = 0
  let atMs = Number.NEGATIVE_INFINITY
  return async () => {
    if (performance.now() - atMs < countIntervalMs) return count
    atMs = performance.now()
    const { rows: there } = await database.query<{ there: boolean }>(
      "SELECT to_regclass('mqtt_consumer') IS NOT NULL AS there"
    )
    if (!there[0]!.there) return count
    const { rows } = await database.query<{ count: number }>('SELECT count(*)::float8 AS count FROM mqtt_consumer')
    count = rows[0]!.count
    return count
  }
}

async function writeConfig({ dir, port }: Mosquitto, certs: string, databaseUrl: string): Promise<void> {
  const { certificate, key } = (await Credentials.open(certs, [name], 'consumer')).keyedOf(name)
  writeFileSync(join(dir, 'telegraf.pem'), certificate)
  writeFileSync(join(dir, 'telegraf.key'), key, { mode: 0o600 })
  const config = `
[agent]
  omit_hostname = true
  flush_interval = "1s"
  metric_batch_size = 5000
  metric_buffer_limit = 100000

[[inputs.mqtt_consumer]]
  servers = ["ssl://127.0.0.1:${port}"]
  topics = ["chargers/#"]
  topic_tag = ""
  qos = 1
  persistent_session = true
  client_id = "${name}"
  max_undelivered_messages = 20000
  tls_ca = "${certs}/ca.pem"
  tls_cert = "${dir}/telegraf.pem"
  tls_key = "${dir}/telegraf.key"
  data_format = "json"
  json_time_key = "SamplingTime"
  json_time_format = "2006-01-02T15:04:05.000Z"
  [[inputs.mqtt_consumer.topic_parsing]]
    topic = "+/+/+"
    tags = "_/charger/name"

[[outputs.postgresql]]
  connection = "${databaseUrl}?sslmode=disable"
`
  writeFileSync(join(dir, 'telegraf.conf'), config, { mode: 0o600 })
}
