// A reader who follows a page of the documentation: a folder, a database and a simulated charger, and each block in its
// turn. The reader replaces the addresses, ports and folders of the system. Scripts stand in for programs that a test
// machine lacks: sudo, systemctl (which really starts the command of the unit), journalctl and scp.

import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { until } from '../harness.ts'
import { type Block, missingIn } from './markdown.ts'

export const root = fileURLToPath(new URL('../..', import.meta.url))

/** The Debian package of each program. */
const packages: Readonly<Record<string, string>> = {
  mosquitto_pub: 'mosquitto-clients',
  mosquitto_sub: 'mosquitto-clients',
  mosquitto: 'mosquitto',
  curl: 'curl',
  jq: 'jq',
  openssl: 'openssl',
  psql: 'postgresql-client',
  pg_dump: 'postgresql-client',
  pg_restore: 'postgresql-client'
}

export interface ReaderOptions {
  readonly dir: string
  readonly databaseUrl: string
  /** The port of the simulated charger. */
  readonly chargerPort: number
  /** A folder to put before PATH. It holds client programs of the same version as the database. */
  readonly programs?: string
}

export class Reader {
  readonly dir: string
  readonly mqttPort: number
  readonly httpPort: number
  readonly chargerPort: number
  readonly #options: ReaderOptions
  readonly #running: { readonly child: ChildProcess; readonly where: string }[] = []

  private constructor(options: ReaderOptions, mqttPort: number, httpPort: number) {
    this.#options = options
    this.dir = options.dir
    this.chargerPort = options.chargerPort
    this.mqttPort = mqttPort
    this.httpPort = httpPort
    for (const folder of ['bin', 'run', 'state', 'etc/chargelift/certs', 'etc/chargelift/edge', 'var/lib', 'page']) {
      mkdirSync(join(this.dir, folder), { recursive: true })
    }
    for (const [name, text] of Object.entries(standIns)) {
      writeFileSync(join(this.dir, 'bin', name), text)
      chmodSync(join(this.dir, 'bin', name), 0o755)
    }
    writeFileSync(join(this.dir, 'state/cwd'), this.page)
    writeFileSync(join(this.dir, 'state/variables'), '')
  }

  static async open(options: ReaderOptions): Promise<Reader> {
    return new Reader(options, await freePort(), await freePort())
  }

  /** The folder in which the commands start. */
  get page(): string {
    return join(this.dir, 'page')
  }

  /** Returns the text with the reader's own addresses instead of the examples. */
  replaced(text: string): string {
    const { databaseUrl, chargerPort } = this.#options
    const pairs: [RegExp, string][] = [
      [/postgres:\/\/chargelift:PASSWORD@db\.example\.com(:5432)?\/chargelift\b/g, databaseUrl],
      [/\bdb\.example\.com(:5432)?\b/g, new URL(databaseUrl).host],
      [/(cloud|mqtt)\.example\.com/g, 'localhost'],
      [/192\.168\.1\.4[012]:25000/g, `127.0.0.1:${chargerPort}`],
      [/192\.168\.1\.4[012]/g, `127.0.0.1:${chargerPort}`],
      [/\b8883\b/g, String(this.mqttPort)],
      [/\b8080\b/g, String(this.httpPort)],
      [/(?<![\w.])\/(etc|var\/lib)\/chargelift/g, `${this.dir}/$1/chargelift`],
      [/npx node src\/cli\.ts/g, 'chargelift'],
      [/\b0\.0\.0\.0\b/g, '127.0.0.1']
    ]
    return pairs.reduce((seen, [what, by]) => seen.replace(what, by), text)
  }

  /** Returns the command that installs the packages which the block needs and the machine lacks, or undefined. */
  lacks(block: Block): string | undefined {
    if (block.language !== 'sh') return undefined
    const missing = Object.keys(packages).filter(
      program => new RegExp(`(^|[\\s(|])${program}\\s`, 'm').test(block.text) && !this.#has(program)
    )
    if (missing.length === 0) return undefined
    return `apt-get install ${[...new Set(missing.map(program => packages[program]))].join(' ')}`
  }

  async does(block: Block): Promise<void> {
    if (block.file !== undefined) return this.#writes(block.file, block.text)
    if (block.language === 'sql') return this.#queries(block.text)
    const where = `line ${block.line}: ${block.text.trim().split('\n')[0]}`
    const { child, output } = this.#starts(block.text)
    if (block.stays) {
      this.#running.push({ child, where })
      const told = await until(
        () => (isUp(output()) && missing(output(), block.prints, this).length === 0 ? output() : ''),
        text => text !== '' || hasEnded(child)
      )
      assert.deepEqual(missing(told, block.prints, this), [], `${where}\n${told}`)
      assert.equal(hasEnded(child), false, `it ended:\n${told}`)
      return
    }
    const [code] = await once(child, 'close')
    assert.equal(code, block.exit, `${where}\n${output()}\n${this.logs()}`)
    assert.deepEqual(missing(output(), block.prints, this), [], `${where} printed:\n${output()}`)
  }

  /** Runs a command of the test in the same way as a reader. Returns the output. Throws unless the exit code is 0. */
  async runs(command: string): Promise<string> {
    const { child, output } = this.#starts(command)
    const [code] = await once(child, 'close')
    assert.equal(code, 0, `${command}\n${output()}`)
    return output()
  }

  /** The logs of all services, to explain a failure. */
  logs(): string {
    const folder = join(this.dir, 'run')
    const files = readdirSync(folder).filter(name => name.endsWith('.log'))
    return files.map(name => `--- ${name}\n${readFileSync(join(folder, name), 'utf8').slice(-3_000)}`).join('\n')
  }

  /** Sends SIGTERM to every command that stays. Throws unless each command exits with 0. */
  async stop(): Promise<void> {
    for (const { child, where } of this.#running.splice(0).reverse()) {
      const closed = once(child, 'close')
      if (!hasEnded(child)) process.kill(-child.pid!, 'SIGTERM')
      const [code] = await closed
      assert.equal(code, 0, `${where} at SIGTERM`)
    }
  }

  /** Kills all processes at once and does not wait. For a test that is interrupted. */
  kill(): void {
    const folder = join(this.dir, 'run')
    const files = readdirSync(folder).filter(name => name.endsWith('.pid'))
    const services = files.map(name => Number(readFileSync(join(folder, name), 'utf8')))
    for (const pid of [...services, ...this.#running.map(({ child }) => -child.pid!)]) {
      try {
        process.kill(pid, 'SIGKILL')
      } catch {
        // The process has ended already.
      }
    }
  }

  /** Ends every process that still runs. */
  async end(): Promise<void> {
    for (const { child } of this.#running) if (!hasEnded(child)) process.kill(-child.pid!, 'SIGKILL')
    await this.runs(`systemctl stop ${quoted(join(this.dir, 'run'))}/*.pid`)
  }

  #starts(text: string): { child: ChildProcess; output: () => string } {
    const state = join(this.dir, 'state')
    const script = [
      'set -eu -o pipefail -a',
      'trap : TERM',
      `cd "$(cat ${quoted(join(state, 'cwd'))})"; . ${quoted(join(state, 'variables'))}`,
      `trap 'pwd >${quoted(join(state, 'cwd'))}; export -p | grep -v -E "^declare -x (PATH|SHLVL|PWD|OLDPWD)=" >${quoted(join(state, 'variables'))}' EXIT`,
      this.replaced(text)
    ].join('\n')
    const child = spawn('bash', ['-c', script], { detached: true, env: this.#environment() })
    let told = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', chunk => (told += chunk))
    return { child, output: () => told }
  }

  #environment(): NodeJS.ProcessEnv {
    const { DATABASE_URL: _url, REDIS_URL: _redis, NODE_OPTIONS: _options, ...inherited } = process.env
    const { programs } = this.#options
    return {
      ...inherited,
      PATH: [join(this.dir, 'bin'), ...(programs === undefined ? [] : [programs]), process.env.PATH].join(':'),
      DOCS_CHECKOUT: root,
      DOCS_NODE: process.execPath,
      DOCS_DIR: this.dir,
      XDG_CACHE_HOME: join(this.dir, 'cache'),
      CHARGELIFT_MQTT_HOST: '127.0.0.1',
      CHARGELIFT_MQTT_PORT: String(this.mqttPort),
      CHARGELIFT_HTTP_PORT: String(this.httpPort),
      CHARGELIFT_URL: `http://127.0.0.1:${this.httpPort}`
    }
  }

  #has(program: string): boolean {
    const { programs } = this.#options
    return (
      (programs !== undefined && existsSync(join(programs, program))) ||
      spawnSync('bash', ['-c', `command -v ${program}`]).status === 0
    )
  }

  #writes(file: string, text: string): void {
    const cwd = readFileSync(join(this.dir, 'state/cwd'), 'utf8').trim()
    const name = this.replaced(file)
    const path = name.startsWith('/') ? name : join(cwd, name)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, this.replaced(text))
  }

  async #queries(text: string): Promise<void> {
    const client = new pg.Client({ connectionString: this.#options.databaseUrl })
    await client.connect()
    try {
      await client.query(text)
    } finally {
      await client.end()
    }
  }
}

const missing = (output: string, lines: readonly string[], reader: Reader): string[] =>
  missingIn(
    output,
    lines.map(line => reader.replaced(line))
  )

/** True if a server or an edge has started, or if a subscriber has its first value. */
const isUp = (output: string): boolean => /"event":"(listening|started)"|^chargers\//m.test(output)

const hasEnded = (child: ChildProcess): boolean => child.exitCode !== null || child.signalCode !== null
const quoted = (text: string): string => `'${text}'`

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}

const standIns: Readonly<Record<string, string>> = {
  chargelift: '#!/bin/sh\nexec "$DOCS_NODE" "$DOCS_CHECKOUT/src/cli.ts" "$@"\n',
  sudo: `#!/bin/sh
[ "$1" != -u ] || shift 2
exec "$@"
`,
  // The users of the package do not exist on this machine.
  chown: '#!/bin/sh\n',
  // Copies to a folder of the same machine, for a target HOST:PATH.
  scp: `#!/bin/bash
to="\${@: -1}"
cp "\${@:1:$#-1}" "\${to#*:}"
`,
  // An edge.yaml out of an archive contains the folders of the system, so they are replaced.
  tar: `#!/bin/sh
/usr/bin/env -i PATH=/usr/bin:/bin tar "$@"
find "$DOCS_DIR/etc" -name edge.yaml -exec sed -i "s#"/var/lib/#"$DOCS_DIR/var/lib/#" {} +
`,
  // A person reads the log a moment after the event, when the log has the line.
  journalctl: `#!/bin/bash
while [ "$1" != -u ]; do shift; done
sleep 2
cat "$DOCS_DIR/run/$2".log
`,
  // Starts the ExecStart of the unit in build/debian with the unit's settings. Waits until the service is ready or has
  // ended.
  systemctl: `#!/bin/bash
verb=$1; shift
run=$DOCS_DIR/run
end() {
  [ -f "$1" ] || return 0
  kill "$(cat "$1")" 2>/dev/null && while kill -0 "$(cat "$1")" 2>/dev/null; do sleep 0.05; done
  rm -f "$1"
}
begin() {
  instance=\${1#*@}; instance=\${instance%.service}
  file=$DOCS_CHECKOUT/build/debian/$(echo "$1" | sed 's/@.*/@/').service
  [ -f "$file" ] || { echo "no unit $1" >&2; exit 5; }
  unit=$(sed "s/%i/$instance/g; s#/usr/bin/##; s#/var/lib/#$DOCS_DIR/var/lib/#; s#/etc/#$DOCS_DIR/etc/#" "$file")
  cwd=$(sed -n 's/^WorkingDirectory=//p' <<<"$unit"); mkdir -p "$cwd"
  : >"$run/$1.log"
  settings=$(sed -n 's/^EnvironmentFile=-*//p' <<<"$unit")
  ( cd "$cwd"; set -a; [ -z "$settings" ] || . "$settings"; set +a
    CACHE_DIRECTORY=$DOCS_DIR/cache setsid $(sed -n 's/^ExecStart=//p' <<<"$unit") >"$run/$1.log" 2>&1 & echo $! >"$run/$1.pid" )
  for _ in $(seq 600); do
    grep -q -E '"event":"(listening|started)"' "$run/$1.log" && return
    kill -0 "$(cat "$run/$1.pid")" 2>/dev/null || { cat "$run/$1.log" >&2; exit 1; }
    sleep 0.1
  done
}
case $verb in
  enable|start) [ "$1" != --now ] || shift; for unit; do begin "$unit"; done ;;
  restart) for unit; do end "$run/$unit.pid"; begin "$unit"; done ;;
  reload) for unit; do kill -HUP "$(cat "$run/$unit.pid")"; done ;;
  stop) for unit; do case $unit in */*) end "$unit" ;; *) end "$run/$unit.pid" ;; esac; done ;;
  status|is-active) kill -0 "$(cat "$run/$1.pid")" && echo "active (running)" ;;
  *) echo "systemctl $verb is not known here" >&2; exit 1 ;;
esac
`
}
