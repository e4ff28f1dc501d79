import { execFile, type ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, open, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import pg from 'pg'
import { z } from 'zod'
import { EntraSyncError } from '../errors.ts'
import { releaseLifeline, spawnWithLifeline } from '../lifeline.ts'
import { takeOwnerLock } from './owner-lock.ts'
import { giveTo, postgresHome, type PostgresHome } from './postgres-home.ts'

export interface EmbeddedPostgres {
  url: string
  /** false = another process owns the server of this DATA_DIR, and stop() leaves it alone. */
  owned: boolean
  stop(): Promise<void>
}

/** `DATA_DIR/postgres.json`, mode 0600: how other processes and commands find the live server. */
const stateSchema = z.object({ port: z.int(), password: z.string(), pid: z.int().nullable() })
type State = z.infer<typeof stateSchema>

const user = 'entra_sync'
const waitMs = 50
const startTries = 600

/**
 * A real PostgreSQL of our own, on a free loopback port, kept in DATA_DIR. The first process on a DATA_DIR owns the
 * server and the server ends with it, even when it is killed; later ones use the same server.
 * `ephemeral`: data elsewhere, without fsync, deleted at the end (demo, tests).
 * @throws kind `database` with the server's own last words, kind `config` when it cannot run here at all
 */
export async function startEmbeddedPostgres(options: {
  dataDir: string
  ephemeral?: boolean
}): Promise<EmbeddedPostgres> {
  const dataDir = resolve(options.dataDir)
  await mkdir(dataDir, { recursive: true })
  const stateFile = join(dataDir, 'postgres.json')

  for (let attempt = 0; attempt < startTries; attempt++) {
    const lock = await takeOwnerLock(join(dataDir, 'postgres.lock'))
    if (lock) {
      try {
        const ephemeral = options.ephemeral ?? false
        const home = await postgresHome(dataDir, ephemeral)
        const server = await startServer(home, stateFile, join(dataDir, 'postgres.log'), ephemeral)
        return {
          url: server.url,
          owned: true,
          async stop() {
            await releaseLifeline(server.child)
            await lock.release()
          },
        }
      } catch (error) {
        await lock.release()
        throw error
      }
    }
    const state = await readState(stateFile)
    if (state && (await answers(urlOf(state))))
      return { url: urlOf(state), owned: false, stop: async () => {} }
    await sleep(waitMs)
  }
  throw new EntraSyncError('database', `Another process owns ${dataDir}, but its Postgres does not answer.`, {
    code: 'embedded_postgres_silent',
    remedy: `Look into ${join(dataDir, 'postgres.log')}, or end that process.`,
  })
}

async function startServer(
  home: PostgresHome,
  stateFile: string,
  logFile: string,
  ephemeral: boolean,
): Promise<{ url: string; child: ChildProcess }> {
  const data = join(home.base, 'pgdata')
  const known = existsSync(data) ? await readState(stateFile) : null
  const password = known?.password ?? randomBytes(24).toString('base64url')
  if (!existsSync(data)) await initialize(home, data, password)
  await previousServerGone(data)

  for (let attempt = 1; ; attempt++) {
    const state: State = { port: await freePort(), password, pid: null }
    const log = await open(logFile, 'w', 0o600)
    const child = spawnWithLifeline(
      join(home.native, 'bin', 'postgres'),
      serverArguments(data, state.port, ephemeral),
      {
        identity: home.identity,
        output: log.fd,
        removeAfterwards: ephemeral ? home.base : undefined,
      },
    )
    await log.close()
    if (await ready(child, urlOf(state, 'postgres'))) {
      await createDatabase(urlOf(state, 'postgres'))
      const file = `${stateFile}.${randomBytes(4).toString('hex')}`
      await writeFile(file, JSON.stringify({ ...state, pid: child.pid ?? null }), { mode: 0o600 })
      await rename(file, stateFile)
      return { url: urlOf(state), child }
    }
    await releaseLifeline(child)
    const words = (await readFile(logFile, 'utf8').catch(() => '')).trim().split('\n').slice(-3).join(' | ')
    // The free port may have been taken between asking and listening.
    if (attempt < 3 && /could not bind|address already in use/i.test(words)) continue
    const wrongPassword =
      known === null && !ephemeral ? '' : ' If postgres.json was lost, its password is lost too.'
    throw new EntraSyncError('database', `The embedded Postgres did not start: ${words || 'no output'}`, {
      code: 'embedded_postgres_failed',
      remedy: `Its log is ${logFile}.${wrongPassword}`,
    })
  }
}

function serverArguments(data: string, port: number, ephemeral: boolean): string[] {
  const settings = {
    listen_addresses: '127.0.0.1',
    port: String(port),
    unix_socket_directories: '',
    max_connections: '200',
    shared_buffers: '128MB',
    ...(ephemeral && { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' }),
  }
  return ['-D', data, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])]
}

/** initdb into a folder aside, so that an interrupted one leaves nothing that looks like a database. */
async function initialize(home: PostgresHome, data: string, password: string): Promise<void> {
  const half = `${data}.${randomBytes(4).toString('hex')}`
  const passwordFile = join(home.base, `password.${randomBytes(4).toString('hex')}`)
  await writeFile(passwordFile, password, { mode: 0o600 })
  giveTo(home, passwordFile)
  const argv = ['-D', half, '-U', user, '--auth=scram-sha-256', `--pwfile=${passwordFile}`, '--encoding=UTF8']
  // The builtin locale is the same on every machine, whatever locales it has.
  argv.push('--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8', '--no-sync')
  try {
    await promisify(execFile)(join(home.native, 'bin', 'initdb'), argv, {
      ...home.identity,
      cwd: '/',
      env: { PATH: process.env.PATH, LC_ALL: 'C' },
    })
    await rename(half, data)
  } catch (cause) {
    await rm(half, { recursive: true, force: true })
    const words = ((cause as { stderr?: string }).stderr ?? (cause as Error).message)
      .trim()
      .split('\n')
      .slice(-2)
      .join(' | ')
    throw new EntraSyncError(
      'database',
      `The embedded Postgres could not be initialised in ${home.base}: ${words}`,
      {
        code: 'embedded_postgres_initdb',
        remedy: 'Free disk space or choose another DATA_DIR, or set DATABASE_URL.',
        cause,
      },
    )
  } finally {
    await rm(passwordFile, { force: true })
  }
}

/** The server of a killed owner needs a moment to shut down; Postgres itself recovers a stale postmaster.pid. */
async function previousServerGone(data: string): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt++) {
    const pid = Number((await readFile(join(data, 'postmaster.pid'), 'utf8').catch(() => '')).split('\n')[0])
    const name = pid > 0 ? await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => '') : ''
    if (name.trim() !== 'postgres') return
    await sleep(waitMs)
  }
}

async function ready(child: ChildProcess, url: string): Promise<boolean> {
  for (let attempt = 0; attempt < startTries; attempt++) {
    if (child.exitCode !== null || child.signalCode !== null) return false
    if (await answers(url)) return true
    await sleep(waitMs)
  }
  return false
}

async function answers(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2000 })
  client.on('error', () => {})
  try {
    await client.connect()
    await client.query('select 1')
    return true
  } catch {
    return false
  } finally {
    await client.end().catch(() => {})
  }
}

async function createDatabase(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    const { rowCount } = await client.query('select from pg_database where datname = $1', [user])
    if (rowCount === 0) await client.query(`create database ${user}`)
  } finally {
    await client.end()
  }
}

async function readState(file: string): Promise<State | null> {
  const text = await readFile(file, 'utf8').catch(() => null)
  if (text === null) return null
  try {
    return stateSchema.parse(JSON.parse(text))
  } catch {
    return null
  }
}

function urlOf(state: State, database = user): string {
  return `postgres://${user}:${state.password}@127.0.0.1:${state.port}/${database}`
}

/** A loopback port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((done, failed) => server.once('error', failed).listen(0, '127.0.0.1', done))
  const { port } = server.address() as AddressInfo
  await new Promise((done) => server.close(done))
  return port
}
