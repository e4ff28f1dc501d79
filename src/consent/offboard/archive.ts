import { randomUUID } from 'node:crypto'
import { constants } from 'node:fs'
import { access, link, open, rename, unlink, type FileHandle } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { sql, type Kysely, type Transaction } from 'kysely'
import type { Database } from '../../db/tables.ts'
import { EntraSyncError } from '../../errors.ts'
import { archivedTables } from './owned-tables.ts'

/** Rows fetched at once; a row is 1 KB or so. */
const batch = 1000

export interface Archive {
  /** Absolute. */
  file: string
  /** Rows by table. */
  rows: Record<string, number>
}

/**
 * Checks that an archive can be written there, before anything is stopped.
 * @throws kind `input`: `archive_exists`, `archive_not_writable`
 */
export async function checkArchiveFile(file: string): Promise<void> {
  if (await exists(file)) throw alreadyThere(file)
  try {
    await access(dirname(resolve(file)), constants.W_OK)
  } catch (cause) {
    throw notWritable(file, cause)
  }
}

/**
 * Writes all that is stored of an Entra tenant as JSON Lines, as of one moment, readable by nobody else: a first line
 * that says what it is, `{ table, row }` for each row, and a last line with the counts, without which it is not whole.
 * The file appears when it is complete, or not at all, and never in the place of another. Secrets are not in it.
 * @throws kind `input`: `archive_exists`, `archive_not_writable`; kind `aborted`
 */
export async function writeArchive(
  db: Kysely<Database>,
  entraTenantId: string,
  path: string,
  signal?: AbortSignal,
): Promise<Archive> {
  const file = resolve(path)
  const partial = `${file}.${randomUUID().slice(0, 8)}.partial`
  const handle = await open(partial, 'wx', 0o600).catch((cause: unknown) => {
    throw notWritable(file, cause)
  })
  try {
    let rows: Record<string, number>
    try {
      rows = await writeRows(db, entraTenantId, handle, signal)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await publish(partial, file)
    return { file, rows }
  } finally {
    await unlink(partial).catch(ignoreMissing)
  }
}

async function writeRows(
  db: Kysely<Database>,
  entraTenantId: string,
  handle: FileHandle,
  signal: AbortSignal | undefined,
): Promise<Record<string, number>> {
  const counts: Record<string, number> = {}
  await db
    .transaction()
    .setIsolationLevel('repeatable read')
    .setAccessMode('read only')
    .execute(async (trx) => {
      const { rows } = await sql<{ at: Date }>`select now() as at`.execute(trx)
      await handle.write(line({ archive: 'entra-sync', version: 1, entraTenantId, at: rows[0]?.at }))
      for (const { name, of, omitted = [] } of archivedTables) {
        await sql`declare archived no scroll cursor for
          select (to_jsonb(t) - ${[...omitted]}::text[])::text as row
          from entra_sync.${sql.id(name)} t where ${of(entraTenantId)}`.execute(trx)
        counts[name] = await copy(trx, name, handle, signal)
        await sql`close archived`.execute(trx)
      }
    })
  await handle.write(line({ end: true, rows: counts }))
  return counts
}

async function copy(
  trx: Transaction<Database>,
  table: string,
  handle: FileHandle,
  signal: AbortSignal | undefined,
): Promise<number> {
  for (let count = 0; ;) {
    signal?.throwIfAborted()
    const { rows } = await sql<{ row: string }>`fetch ${sql.lit(batch)} from archived`.execute(trx)
    // As Postgres writes it: parsed here, its numbers would lose digits.
    await handle.write(rows.map(({ row }) => `{"table":${JSON.stringify(table)},"row":${row}}\n`).join(''))
    count += rows.length
    if (rows.length < batch) return count
  }
}

/** A hard link fails where a file is already, and is there whole at once; not every file system has them. */
async function publish(partial: string, file: string): Promise<void> {
  try {
    await link(partial, file)
  } catch (cause) {
    const code = codeOf(cause)
    if (code === 'EEXIST') throw alreadyThere(file)
    if (!['EPERM', 'ENOTSUP', 'ENOSYS', 'EOPNOTSUPP'].includes(code)) throw notWritable(file, cause)
    if (await exists(file)) throw alreadyThere(file)
    await rename(partial, file)
  }
}

async function exists(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  )
}

function line(value: object): string {
  return `${JSON.stringify(value)}\n`
}

function alreadyThere(file: string): EntraSyncError {
  return new EntraSyncError('input', `${file} is there already, and is not overwritten.`, {
    code: 'archive_exists',
    remedy: 'Give --archive another name, or move the file away.',
  })
}

function notWritable(file: string, cause: unknown): EntraSyncError {
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new EntraSyncError('input', `The archive ${file} can't be written: ${reason}.`, {
    code: 'archive_not_writable',
    remedy: 'Check the folder and who may write there.',
    cause,
  })
}

function ignoreMissing(error: unknown): void {
  if (codeOf(error) !== 'ENOENT') throw error
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : ''
}
