import type { Config } from './config.ts'
import { EntraSyncError } from './errors.ts'
import { createGraph, type Graph } from './graph/graph.ts'
import type { Log } from './log.ts'

/** The way to the configured cloud with the Default app; every Entra tenant is on the Default permission level. */
export function openGraph(config: Config, log: Log): Graph {
  return createGraph({
    cloud: config.cloud,
    log,
    appFor: async (entraTenantId) => {
      if (config.defaultApp !== null) return config.defaultApp
      throw new EntraSyncError('config', 'No Default app is configured, so nothing can be read from Graph.', {
        code: 'default_app_missing',
        remedy:
          'Set DEFAULT_APP_CLIENT_ID and DEFAULT_APP_CERTIFICATE_FILE or DEFAULT_APP_CLIENT_SECRET_FILE.',
        tenant: entraTenantId,
      })
    },
  })
}
