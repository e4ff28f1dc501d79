import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chown, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { startEmbeddedPostgres } from '../../src/db/embedded-postgres.ts'
import { postgresHome } from '../../src/db/postgres-home.ts'

const ownerScript = fileURLToPath(new URL('owner.ts', import.meta.url))
const patience = { timeout: 120_000, interval: 50 }

interface Owner {
  url: string
  owned: boolean
  child: ChildProcess
}

let dataDir: string
const started: ChildProcess[] = []

beforeEach(async () => void (dataDir = await mkdtemp(join(tmpdir(), 'entra-sync-embedded-'))))

afterEach(async () => {
  for (const child of started.splice(0)) await kill(child)
  const { base } = await postgresHome(dataDir, false)
  await vi.waitFor(async () => expect(await serverPid(base)).toBeNull(), patience)
  await rm(base, { recursive: true, force: true })
  await rm(dataDir, { recursive: true, force: true })
})

/** Another process that asks for the server of our folder. */
async function owner(): Promise<Owner> {
  const child = spawn(process.execPath, [ownerScript, dataDir], { stdio: ['pipe', 'pipe', 'inherit'] })
  started.push(child)
  const line = await firstLine(child.stdout)
  return { ...(JSON.parse(line) as Omit<Owner, 'child'>), child }
}

async function firstLine(stdout: Readable): Promise<string> {
  for await (const line of createInterface({ input: stdout })) return line
  throw new Error('The owner ended without a word; its error stands above.')
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill('SIGKILL')
  await ended
}

async function serverPid(base: string): Promise<number | null> {
  const text = await readFile(join(base, 'pgdata', 'postmaster.pid'), 'utf8').catch(() => null)
  return text === null ? null : Number(text.split('\n')[0])
}

async function ask<Row extends pg.QueryResultRow>(url: string, text: string): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => {})
  await client.connect()
  try {
    return (await client.query<Row>(text)).rows
  } finally {
    await client.end()
  }
}

describe('the embedded Postgres', () => {
  test('is a PostgreSQL 18 on loopback, UTF-8 in every locale, with a password, in private folders', async () => {
    const { url } = await owner()
    expect(
      await ask(
        url,
        `select current_setting('server_version_num')::int / 10000 as major,
      current_setting('listen_addresses') as listens, current_setting('server_encoding') as encoding,
      (select datlocprovider::text || ' ' || datlocale from pg_database where datname = current_database()) as locale,
      upper('ä') as upper`,
      ),
    ).toEqual([{ major: 18, listens: '127.0.0.1', encoding: 'UTF8', locale: 'b C.UTF-8', upper: 'Ä' }])
    const wrong = new URL(url)
    wrong.password = 'wrong'
    await expect(ask(wrong.href, 'select 1')).rejects.toThrow(/password authentication failed/)
    const { base } = await postgresHome(dataDir, false)
    expect((await stat(join(dataDir, 'postgres.json'))).mode & 0o777).toBe(0o600)
    expect((await stat(join(base, 'pgdata'))).mode & 0o777).toBe(0o700)
  })

  test('a second process uses the server of the first, and leaves it alone when it ends', async () => {
    const first = await owner()
    const second = await owner()
    expect([first.owned, second.owned]).toEqual([true, false])
    expect(second.url).toBe(first.url)
    const ended = once(second.child, 'exit')
    second.child.stdin?.end()
    await ended
    expect(await ask(first.url, 'select 1 as one')).toEqual([{ one: 1 }])
  })

  test('of processes that start at once, one owns the server', async () => {
    const all = await Promise.all([owner(), owner(), owner()])
    expect(all.filter(({ owned }) => owned)).toHaveLength(1)
    expect(new Set(all.map(({ url }) => url)).size).toBe(1)
  })

  test('goes by itself when its owner is killed, and the next owner finds the data', async () => {
    const first = await owner()
    await ask(first.url, 'create table kept as select 42 as answer')
    await kill(first.child)
    await vi.waitFor(() => expect(ask(first.url, 'select 1')).rejects.toThrow(), patience)
    const next = await owner()
    expect(next.owned).toBe(true)
    expect(await ask(next.url, 'select answer from kept')).toEqual([{ answer: 42 }])
  })

  test('a lock and a pid file left by a crash stop nobody', async () => {
    const first = await owner()
    await ask(first.url, 'create table kept as select 42 as answer')
    const { base, identity } = await postgresHome(dataDir, false)
    const pidFile = await readFile(join(base, 'pgdata', 'postmaster.pid'), 'utf8')
    await kill(first.child)
    await vi.waitFor(async () => expect(await serverPid(base)).toBeNull(), patience)
    // As after a power cut: our own pid came again, as another process of another time.
    await writeFile(join(base, 'pgdata', 'postmaster.pid'), pidFile, { mode: 0o600 })
    if (identity) await chown(join(base, 'pgdata', 'postmaster.pid'), identity.uid, identity.gid)
    await writeFile(join(dataDir, 'postgres.lock'), JSON.stringify({ pid: process.pid, startedAt: '1' }))
    const next = await owner()
    expect(next.owned).toBe(true)
    expect(await ask(next.url, 'select answer from kept')).toEqual([{ answer: 42 }])
  })

  test('as root, the server runs as another user', async () => {
    const { url } = await owner()
    const { base, identity } = await postgresHome(dataDir, false)
    expect(await ask(url, 'select 1 as one')).toEqual([{ one: 1 }])
    const pid = await serverPid(base)
    const status = await readFile(`/proc/${pid}/status`, 'utf8')
    const uid = Number(/^Uid:\s+(\d+)/m.exec(status)?.[1])
    expect(uid).toBe(identity?.uid ?? process.getuid?.())
    expect(uid).not.toBe(0)
  })

  test('an ephemeral one leaves nothing, even when its owner is killed', async () => {
    const child = spawn(process.execPath, [ownerScript, dataDir, 'ephemeral'], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    started.push(child)
    const line = await firstLine(child.stdout)
    const { url } = JSON.parse(line) as { url: string }
    const [row] = await ask<{ folder: string }>(url, `select current_setting('data_directory') as folder`)
    await kill(child)
    await vi.waitFor(
      () => expect(stat(row?.folder ?? '')).rejects.toMatchObject({ code: 'ENOENT' }),
      patience,
    )
  })

  test('can be stopped and started by one process', async () => {
    const first = await startEmbeddedPostgres({ dataDir })
    await first.stop()
    await expect(ask(first.url, 'select 1')).rejects.toThrow()
    const second = await startEmbeddedPostgres({ dataDir })
    expect(second.owned).toBe(true)
    await second.stop()
  })
})
