import type { Kysely } from 'kysely'
import type { Database } from '../db/tables.ts'
import { openGraph, type ConfiguredGraph } from '../graph-of-config.ts'
import type { CommandContext } from './context.ts'

/** Runs `use` with the way to Microsoft's cloud; tokens are forgotten afterwards. */
export async function withGraph<T>(
  { config, log }: CommandContext,
  db: Kysely<Database>,
  use: (graph: ConfiguredGraph) => Promise<T>,
): Promise<T> {
  const graph = await openGraph(config, db, log)
  try {
    return await use(graph)
  } finally {
    graph.close()
  }
}
