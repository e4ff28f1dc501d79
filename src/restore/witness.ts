import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { sql, type Kysely } from 'kysely'
import { z } from 'zod'
import { advisoryLocks } from '../db/advisory-locks.ts'
import type { Database } from '../db/tables.ts'
import type { Log } from '../log.ts'
import { fenceWorkers, jumpFeed, markRestored, type Restored } from './restored.ts'

/** What a daemon knows of the database outside of it. */
const testimony = z.object({
  databaseId: z.guid(),
  beats: z.number().int().nonnegative(),
  at: z.coerce.date(),
})

/** What a beat has found. */
export type Found =
  | { what: 'nothing' }
  /** Some seconds are lost, as by a failover to a replica that was behind: rows and cursors are of one moment still. */
  | { what: 'rewound'; lostMs: number; feedSeq: number }
  | { what: 'restored'; lostMs: number; restored: Restored }

export interface Witness {
  /** Looks whether the database is behind what was seen of it, does what that needs, and counts on. */
  beat(): Promise<Found>
  stop(): Promise<void>
}

export interface WitnessTimings {
  everyMs: number
  /** What a failover may lose; more is a restore. */
  failoverMs: number
}

const defaults: WitnessTimings = { everyMs: 60_000, failoverMs: 10 * 60_000 }

/**
 * Keeps a count in the database and beside it, in `file`. A database that is behind the file was restored from a backup,
 * and is treated so at once (`markRestored`). Another database (its id is in its backups, too) is none of the file's
 * business; a file that cannot be read or written is a warning, once.
 */
export function openWitness(
  db: Kysely<Database>,
  file: string,
  log: Log,
  timings: Partial<WitnessTimings> = {},
): Witness {
  const { everyMs, failoverMs } = { ...defaults, ...timings }
  let complained = false
  let beating: Promise<unknown> = Promise.resolve()

  async function beat(): Promise<Found> {
    const seen = await readTestimony(file, log)
    const { found, now } = await db.transaction().execute(async (trx) => {
      await sql`select pg_advisory_xact_lock(${advisoryLocks.restoring})`.execute(trx)
      const { rows } = await sql<{ databaseId: string; beats: number; at: Date }>`
        select database_id as "databaseId", beats, beat_at as at from restore_witness`.execute(trx)
      const [row] = rows
      if (row === undefined) throw new TypeError('restore_witness has no row')
      const behind = seen !== null && seen.databaseId === row.databaseId && row.beats < seen.beats
      let result: Found = { what: 'nothing' }
      if (behind) {
        const lostMs = Math.max(0, seen.at.getTime() - row.at.getTime())
        if (lostMs > failoverMs) {
          const detail = { lostSeconds: Math.round(lostMs / 1000) }
          result = { what: 'restored', lostMs, restored: await markRestored(trx, { by: 'daemon', detail }) }
        } else {
          await fenceWorkers(trx)
          result = { what: 'rewound', lostMs, feedSeq: await jumpFeed(trx) }
        }
      }
      const next = await sql<{ databaseId: string; beats: number; at: Date }>`
        update restore_witness set beats = greatest(beats, ${behind ? seen.beats : 0}) + 1, beat_at = now()
        returning database_id as "databaseId", beats, beat_at as at`.execute(trx)
      return { found: result, now: next.rows[0] }
    })
    if (found.what === 'restored')
      log.error(
        found,
        'the database was restored from a backup: all Entra tenants are read whole, nothing is removed and targets are frozen until then',
      )
    if (found.what === 'rewound')
      log.warn(
        found,
        'the database has lost its last changes: readers of the change feed start from a snapshot',
      )
    await write(now)
    return found
  }

  async function write(now: object | undefined): Promise<void> {
    try {
      await mkdir(dirname(file), { recursive: true })
      // Several processes may keep one file.
      await writeFile(`${file}.${process.pid}`, JSON.stringify(now), { mode: 0o600 })
      await rename(`${file}.${process.pid}`, file)
      complained = false
    } catch (error) {
      if (!complained)
        log.warn(
          { err: error, file },
          'the witness of restores cannot be kept: tell a restore with entra-sync restored',
        )
      complained = true
    }
  }

  const timer = setInterval(() => {
    beating = beating
      .then(beat)
      .catch((error: unknown) =>
        log.debug({ err: error }, 'the database could not be asked whether it was restored'),
      )
  }, everyMs)
  return {
    beat,
    async stop() {
      clearInterval(timer)
      await beating
    },
  }
}

async function readTestimony(file: string, log: Log): Promise<z.output<typeof testimony> | null> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null
    log.debug({ err: error, file }, 'the witness of restores cannot be read')
    return null
  }
  try {
    return testimony.parse(JSON.parse(text))
  } catch (error) {
    log.warn({ err: error, file }, 'the witness of restores is no such file: it is written anew')
    return null
  }
}
