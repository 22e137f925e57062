// Runs a PostgreSQL of Debian's packages in a folder, with client programs of the same version. Pages with `pg_dump`
// need the same version.

import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

const versions = '/usr/lib/postgresql'

/** The folder of the programs, or undefined if they are missing. To install them: apt-get install postgresql. */
export function findPrograms(): string | undefined {
  const found = existsSync(versions)
    ? readdirSync(versions)
        .map(Number)
        .filter(version => version >= 15)
    : []
  const bin = join(versions, String(Math.max(...found)), 'bin')
  return ['initdb', 'pg_ctl', 'pg_dump', 'psql'].every(name => existsSync(join(bin, name))) ? bin : undefined
}

export interface Cluster {
  readonly port: number
  readonly stop: () => void
}

/** Starts a cluster. All users must be able to read `dir`, because PostgreSQL does not run as root. */
export function startCluster(programs: string, dir: string, port: number): Cluster {
  const home = join(dir, 'debian-postgres')
  const data = join(home, 'data')
  mkdirSync(home, { recursive: true })
  chmodSync(dir, 0o755)
  const isRoot = process.getuid?.() === 0
  if (isRoot) execFileSync('chown', ['postgres', home])
  const run = (program: string, args: readonly string[]): void => {
    const command = [join(programs, program), ...args]
    const [first, ...rest] = isRoot ? ['runuser', '-u', 'postgres', '--', ...command] : command
    execFileSync(first!, rest, { stdio: ['ignore', 'ignore', 'inherit'], cwd: home })
  }
  run('initdb', ['-D', data, '-U', 'postgres', '--auth=trust', '--encoding=UTF8', '--locale=C', '--no-sync'])
  const options = `-c listen_addresses=127.0.0.1 -c port=${port} -c unix_socket_directories=''`
  run('pg_ctl', ['-D', data, '-w', '-l', join(home, 'log'), '-o', options, 'start'])
  return { port, stop: () => run('pg_ctl', ['-D', data, '-m', 'immediate', 'stop']) }
}
