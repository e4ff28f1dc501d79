import type { Kysely } from 'kysely'
import type { PreconsentContext } from '../consent/preconsent/context.ts'
import type { Database } from '../db/tables.ts'
import { openPreconsent } from '../preconsent-of-config.ts'
import type { CommandContext } from './context.ts'
import { withGraph } from './graph.ts'

/** Runs `use` with what partner sign-in and pre-consent need; tokens are forgotten afterwards. */
export function withPreconsent<T>(
  context: CommandContext,
  db: Kysely<Database>,
  use: (preconsent: PreconsentContext) => Promise<T>,
): Promise<T> {
  return withGraph(context, db, async (graph) =>
    use(await openPreconsent(context.config, db, graph, context.log)),
  )
}
