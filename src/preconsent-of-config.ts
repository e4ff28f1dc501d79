import type { Kysely } from 'kysely'
import { knownClouds } from './config/clouds.ts'
import type { Config } from './config.ts'
import { defaultPreconsentTimings, type PreconsentContext } from './consent/preconsent/context.ts'
import type { Database } from './db/tables.ts'
import type { ConfiguredGraph } from './graph-of-config.ts'
import { createUserGraph, type GraphOptions } from './graph/graph.ts'
import { createPartnerCenter } from './graph/partner-center.ts'
import { createUserTokens } from './graph/user-tokens.ts'
import { openKeyRing } from './key-ring.ts'
import type { Log } from './log.ts'

/** What partner sign-in and pre-consent need, in the configured cloud; `graph` stays the caller's to close. */
export async function openPreconsent(
  config: Config,
  db: Kysely<Database>,
  graph: ConfiguredGraph,
  log: Log,
  timings?: { graph?: GraphOptions['timings']; preconsent?: Partial<PreconsentContext['timings']> },
): Promise<PreconsentContext> {
  const { cloud } = config
  const shared = { log, ...(timings?.graph && { timings: timings.graph }) }
  return {
    db,
    ring: await openKeyRing(config),
    users: createUserTokens(cloud.loginUrl, timings?.graph),
    userGraph: createUserGraph({ cloud, ...shared }),
    partnerCenter:
      cloud.partnerCenterUrl === ''
        ? null
        : createPartnerCenter({ partnerCenterUrl: cloud.partnerCenterUrl, ...shared }),
    resources: {
      // A token is asked for by the name that the API has everywhere, not by the address of a private one.
      partnerCenter: cloud.name === 'custom' ? knownClouds.global.partnerCenterUrl : cloud.partnerCenterUrl,
      graph: cloud.graphUrl,
    },
    graph,
    log,
    timings: { ...defaultPreconsentTimings, ...timings?.preconsent },
  }
}
