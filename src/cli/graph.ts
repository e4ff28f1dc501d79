import { openGraph } from '../graph-of-config.ts'
import type { Graph } from '../graph/graph.ts'
import type { CommandContext } from './context.ts'

/** Runs `use` with the way to Microsoft's cloud; tokens are forgotten afterwards. */
export async function withGraph<T>(
  { config, log }: CommandContext,
  use: (graph: Graph) => Promise<T>,
): Promise<T> {
  const graph = openGraph(config, log)
  try {
    return await use(graph)
  } finally {
    graph.close()
  }
}
