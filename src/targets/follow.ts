import type { Kysely } from 'kysely'
import { databaseError } from '../db/errors.ts'
import type { FeedBell } from '../db/feed-bell.ts'
import type { Database } from '../db/tables.ts'
import { readChanges, type FeedPage, type TargetChange } from '../db/target-feed.ts'
import { isEntraSyncError } from '../errors.ts'
import type { Log } from '../log.ts'

/** A NOTIFY may be lost with its connection; by this often the feed is read all the same. */
const lookMs = 3000
const page = 1000

/** No connection, none to be had, or one that Postgres ended: classes 08, 53 and 57, and what has no code at all. */
const passing = /^postgres_(connection_lost|e[a-z_]+|08...|53...|57...)$/

export interface Following {
  bell: FeedBell
  /** The seq that the reader has. */
  after: number
  signal: AbortSignal
  log: Log
  /** Of one tenant only. */
  tenantId?: string | null
  lookMs?: number
}

/**
 * Yields every change after `after`, in order, in pages that are never empty: what is there, then what comes, until
 * `signal` ends it. Woken by the bell where its connection holds, and by the clock always; waits while the database is
 * away and goes on where it was.
 * @throws kind `input`, code `feed_truncated` or `feed_rewound`: the reader has to take a snapshot
 */
export async function* followChanges(
  db: Kysely<Database>,
  following: Following,
): AsyncGenerator<TargetChange[], void> {
  const { bell, signal, log, tenantId = null } = following
  const pause = createPause(signal, following.lookMs ?? lookMs)
  const unsubscribe = bell.subscribe(pause.wake)
  let away = false
  try {
    let after = following.after
    while (!signal.aborted) {
      // Before the read: a ring while it runs may be of a change that it does not see.
      pause.arm()
      const found = await readIfThere(db, { after, max: page, tenantId })
      if (found instanceof Error) {
        if (!away) log.warn({ err: found }, 'the database is away; the feed goes on when it is back')
        away = true
        await pause.sleep()
        continue
      }
      away = false
      after = found.next
      if (found.changes.length > 0) yield found.changes
      else await pause.sleep()
    }
  } finally {
    unsubscribe()
    pause.end()
  }
}

/** The page, or the error that will pass. */
async function readIfThere(
  db: Kysely<Database>,
  from: { after: number; max: number; tenantId: string | null },
): Promise<FeedPage | Error> {
  try {
    return await readChanges(db, from)
  } catch (error) {
    if (isEntraSyncError(error)) throw error
    const failure = databaseError(error)
    if (failure === null || !passing.test(failure.code)) throw error
    return failure
  }
}

/** A sleep that ends at the wake-up, the signal or the clock; one that was woken since it was armed does not sleep. */
function createPause(signal: AbortSignal, ms: number) {
  let woken = false
  let wakeSleeper = (): void => {}
  const wake = (): void => {
    woken = true
    wakeSleeper()
  }
  signal.addEventListener('abort', wake)
  return {
    wake,
    arm: (): void => void (woken = false),
    async sleep(): Promise<void> {
      if (woken || signal.aborted) return
      let timer: NodeJS.Timeout | undefined
      await new Promise<void>((resolve) => {
        wakeSleeper = resolve
        timer = setTimeout(resolve, ms)
      })
      clearTimeout(timer)
    },
    end: (): void => signal.removeEventListener('abort', wake),
  }
}
