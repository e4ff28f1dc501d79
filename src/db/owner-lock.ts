import { randomBytes } from 'node:crypto'
import { link, readFile, rename, rm, unlink, writeFile } from 'node:fs/promises'

/** Who holds a lock file: the pid alone is not enough, since pids come again. */
interface Owner {
  pid: number
  startedAt: string
}

/**
 * Takes a lock file for the life of this process. null = a living process holds it. A stale one (its process is gone)
 * is taken over; of two that try at once one wins, because link() fails where the name exists.
 */
export async function takeOwnerLock(path: string): Promise<{ release(): Promise<void> } | null> {
  const mine = `${path}.${randomBytes(6).toString('hex')}`
  const me = JSON.stringify({ pid: process.pid, startedAt: await startedAt(process.pid) } satisfies Owner)
  await writeFile(mine, me, { mode: 0o600 })
  try {
    for (let attempt = 0; attempt < 5; attempt++) {
      try {
        await link(mine, path)
        return { release: () => releaseIfMine(path, me) }
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
      }
      const seen = await readFile(path, 'utf8').catch(() => '')
      if (await alive(seen)) return null
      // Moved aside first: had another taken it over meanwhile, its lock comes back.
      const aside = `${mine}.stale`
      await rename(path, aside).catch(() => {})
      const moved = await readFile(aside, 'utf8').catch(() => seen)
      if (moved !== seen && (await alive(moved))) await link(aside, path).catch(() => {})
      await rm(aside, { force: true })
    }
    return null
  } finally {
    await unlink(mine)
  }
}

async function releaseIfMine(path: string, me: string): Promise<void> {
  if ((await readFile(path, 'utf8').catch(() => '')) === me) await rm(path, { force: true })
}

async function alive(text: string): Promise<boolean> {
  let owner: Owner
  try {
    owner = JSON.parse(text) as Owner
    process.kill(owner.pid, 0)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false
    owner = JSON.parse(text) as Owner
  }
  return (await startedAt(owner.pid)) === owner.startedAt
}

/** Start time in clock ticks since boot (proc(5), field 22); empty where there is no /proc. */
async function startedAt(pid: number): Promise<string> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  return text.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? ''
}
