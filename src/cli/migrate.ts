import { migrate } from '../db/migrate.ts'
import { withDatabaseUrl, type CommandContext } from './context.ts'

/** `migrate`: applies the migrations that the database lacks. */
export function migrateCommand(context: CommandContext): Promise<number> {
  return withDatabaseUrl(context, async (url, before) => {
    const applied = [...before, ...(await migrate(url)).applied]
    for (const name of applied) context.output.line(`applied ${name}`)
    context.output.line(applied.length === 0 ? 'The schema is up to date.' : 'The schema is up to date now.')
    context.output.document({ applied })
    return 0
  })
}
