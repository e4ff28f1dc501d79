import type { Kysely } from 'kysely'
import type { Config } from '../config.ts'
import { openDatabase } from '../db/connection.ts'
import { startEmbeddedPostgres } from '../db/embedded-postgres.ts'
import { assertSchema, migrate } from '../db/migrate.ts'
import type { Database } from '../db/tables.ts'
import { openQueues, type Queues } from '../jobs/queues.ts'
import type { Log } from '../log.ts'

/** What every command is given. */
export interface CommandContext {
  config: Config
  log: Log
  /** Ends with the first SIGINT or SIGTERM. */
  signal: AbortSignal
  output: Output
}

/** Where a command prints. stdout is for results, stderr for notices. */
export interface Output {
  json: boolean
  /** Columns of stdout's terminal; null = no terminal. */
  width: number | null
  /** A line for people; nothing with --json. */
  line(text?: string): void
  /** A line on stderr, in both modes. */
  notice(text: string): void
  /** The one document of --json; nothing without. */
  document(value: unknown): void
}

/**
 * Runs `use` with the URL of the database. The embedded one is started for that long unless a daemon has it up, and
 * brought to this schema, by `applied`: nobody else looks after it.
 */
export async function withDatabaseUrl<T>(
  context: CommandContext,
  use: (url: string, applied: string[]) => Promise<T>,
): Promise<T> {
  const { databaseUrl, dataDir } = context.config
  if (databaseUrl !== null) return use(databaseUrl, [])
  const server = await startEmbeddedPostgres({ dataDir })
  try {
    const { applied } = server.owned ? await migrate(server.url) : { applied: [] }
    return await use(server.url, applied)
  } finally {
    await server.stop()
  }
}

/** Runs `use` with an open database whose schema is the one this program knows. */
export function withDatabase<T>(
  context: CommandContext,
  use: (db: Kysely<Database>, url: string) => Promise<T>,
): Promise<T> {
  return withDatabaseUrl(context, async (url) => {
    const db = openDatabase(url, {
      max: 3,
      applicationName: 'entra-sync command',
      onError: (error) => context.log.debug({ err: error }, 'an idle database connection failed'),
    })
    try {
      await assertSchema(db)
      return await use(db, url)
    } finally {
      await db.destroy()
    }
  })
}

/** Runs `use` with the open queues, which are in the database where QUEUE_URL is unset. */
export async function withQueues<T>(
  context: CommandContext,
  databaseUrl: string,
  use: (queues: Queues) => Promise<T>,
): Promise<T> {
  const queues = await openQueues(context.config.queueUrl ?? databaseUrl, { log: context.log })
  try {
    return await use(queues)
  } finally {
    await queues.close()
  }
}
