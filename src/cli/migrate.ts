import { migrate } from '../db/migrate.ts'
import { backendOf, preparePostgres } from '../jobs/queue-connection.ts'
import { queueSchema } from '../jobs/queues.ts'
import { withDatabaseUrl, type CommandContext } from './context.ts'

/**
 * `migrate`: applies the migrations that the database lacks, and makes the schema of a queue in Postgres: the daemon's role
 * need not be let do either.
 */
export function migrateCommand(context: CommandContext): Promise<number> {
  return withDatabaseUrl(context, async (url, before) => {
    const applied = [...before, ...(await migrate(url)).applied]
    const queueUrl = context.config.queueUrl ?? url
    if (backendOf(queueUrl) === 'postgres') await preparePostgres(queueUrl, queueSchema, context.log)
    for (const name of applied) context.output.line(`applied ${name}`)
    context.output.line(applied.length === 0 ? 'The schema is up to date.' : 'The schema is up to date now.')
    context.output.document({ applied })
    return 0
  })
}
