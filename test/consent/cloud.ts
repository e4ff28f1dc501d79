import { startCloud, type Cloud, type CloudOptions } from '../../simulator/cloud.ts'
import { createGraph, type Graph, type GraphOptions } from '../../src/graph/graph.ts'
import { createLog } from '../../src/log.ts'
import { testCa } from '../harness/ca.ts'

export const log = createLog({
  level: process.env['TEST_LOG'] === undefined ? 'silent' : 'debug',
  pretty: false,
})

export interface CloudAndGraph {
  cloud: Cloud
  graph: Graph
  close(): Promise<void>
}

/** A simulated cloud and our way to it, with retries too short to wait for. */
export async function openCloud(
  options: CloudOptions,
  timings: GraphOptions['timings'] = {},
  more: Pick<GraphOptions, 'units' | 'circuit'> = {},
): Promise<CloudAndGraph> {
  const cloud = await startCloud({ ...options, ca: testCa() })
  const graph = createGraph({
    cloud: { loginUrl: cloud.origin, graphUrl: cloud.origin },
    appFor: async () => ({ clientId: cloud.clientId, secret: cloud.clientSecret }),
    log,
    timings: { ...quickGraph, ...timings },
    ...more,
  })
  return {
    cloud,
    graph,
    async close() {
      graph.close()
      await cloud.close()
    },
  }
}

export const quickGraph = { backoffMs: 10, maxInlineWaitMs: 200 }
