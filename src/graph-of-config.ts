import type { Kysely } from 'kysely'
import { readAppCertificate } from './config/app-certificate.ts'
import type { Config } from './config.ts'
import {
  credentialPurpose,
  readApp,
  readChosenApp,
  readCredentials,
  readWantedApp,
  type ChosenApp,
  type SealedCredential,
} from './db/app-registrations.ts'
import { holdApp, takeUnits } from './db/app-budgets.ts'
import type { Database } from './db/tables.ts'
import { EntraSyncError, isEntraSyncError } from './errors.ts'
import { createGraph, type Graph, type GraphOptions } from './graph/graph.ts'
import type { AppCredential } from './graph/tokens.ts'
import { createUnits } from './graph/units.ts'
import { openKeyRing, type KeyRing } from './key-ring.ts'
import type { Log } from './log.ts'
import { open } from './secrets.ts'

export interface ConfiguredGraph extends Graph {
  /**
   * Client id of the app that reads this Entra tenant; null = none is there. To be asked at the start of a run: when
   * app, credentials or consent have changed since it was asked last, by whatever process, the tenant's tokens are
   * forgotten.
   */
  appIdFor(entraTenantId: string): Promise<string | null>
  /** Client id of the app that the permission level says, consented to or not; null = none is configured. */
  wantedAppFor(entraTenantId: string): Promise<string | null>
  /**
   * A way to Graph as one app, whichever is in use, with tokens of its own that nobody else has cached: for proofs.
   * Throws kind `config`, code `app_unknown`, on the first request where no such app is known here.
   */
  asApp(clientId: string): Graph
  /** What proves us to be that app, in the order to be tried; for tokens of users. Throws as `asApp` does. */
  credentialsFor(entraTenantId: string, clientId: string): Promise<AppCredential[]>
}

/** Half of what Graph gives an app over all tenants: 150,000 units in 20 s. */
const appBudget = { units: 75_000, windowMs: 20_000 }

/** The way to the configured cloud, for each Entra tenant with the app that it has consented to. */
export async function openGraph(
  config: Config,
  db: Kysely<Database>,
  log: Log,
  timings?: GraphOptions['timings'],
): Promise<ConfiguredGraph> {
  const ring = await openKeyRing(config)
  const seen = new Map<string, string>()
  const defaultClientId = config.defaultApp?.clientId ?? null
  const apps = new Map<string, string>()
  const options = {
    cloud: config.cloud,
    log,
    ...(timings && { timings }),
    units: createUnits({
      appOf: (entraTenantId: string) => apps.get(entraTenantId) ?? defaultClientId ?? 'unknown',
      take: (clientId: string, block: number) => takeUnits(db, clientId, block, appBudget),
      hold: (clientId: string, milliseconds: number) => holdApp(db, clientId, milliseconds),
    }),
  }

  async function credentialsOf(
    app: ChosenApp | null,
    entraTenantId: string,
  ): Promise<AppCredential | AppCredential[]> {
    if (app?.level === 'custom')
      return openCredentials(app, await readCredentials(db, app.appId), ring, entraTenantId, log)
    if (app !== null && config.defaultApp !== null) return config.defaultApp
    if (config.defaultApp !== null) throw notRead(entraTenantId)
    throw new EntraSyncError('config', 'No Default app is configured, so nothing can be read from Graph.', {
      code: 'default_app_missing',
      remedy:
        'Set DEFAULT_APP_CLIENT_ID and DEFAULT_APP_CERTIFICATE_FILE or DEFAULT_APP_CLIENT_SECRET_FILE, or give the tenant an app of its own: entra-sync permission-level ID custom.',
      tenant: entraTenantId,
    })
  }

  async function credentialsFor(entraTenantId: string, clientId: string): Promise<AppCredential[]> {
    const app = await readApp(db, entraTenantId, defaultClientId, clientId)
    if (app !== null) return [await credentialsOf(app, entraTenantId)].flat()
    throw new EntraSyncError('config', `No app with client id ${clientId} is known here.`, {
      code: 'app_unknown',
      remedy: 'Add it with entra-sync permission-level ID custom, or configure it as the Default app.',
      tenant: entraTenantId,
    })
  }

  const graph = createGraph({
    ...options,
    appFor: async (entraTenantId) =>
      credentialsOf(await readChosenApp(db, entraTenantId, defaultClientId), entraTenantId),
  })
  return {
    ...graph,
    async appIdFor(entraTenantId) {
      const app = await readChosenApp(db, entraTenantId, defaultClientId)
      const state = JSON.stringify(app)
      const before = seen.get(entraTenantId)
      // Unknown counts as changed: a token may have been fetched before anybody asked here.
      if (before !== state) graph.forgetTokens(entraTenantId)
      seen.set(entraTenantId, state)
      if (app !== null) apps.set(entraTenantId, app.clientId)
      return app?.clientId ?? null
    },
    async wantedAppFor(entraTenantId) {
      return (await readWantedApp(db, entraTenantId, defaultClientId))?.clientId ?? null
    },
    asApp: (clientId) =>
      createGraph({ ...options, appFor: (entraTenantId) => credentialsFor(entraTenantId, clientId) }),
    credentialsFor,
  }
}

/** The Default app would read it: it has no row, or must not be read any more. */
function notRead(entraTenantId: string): EntraSyncError {
  return new EntraSyncError('access_lost', 'This Entra tenant is not known, or it was offboarded.', {
    code: 'tenant_not_read',
    remedy: 'Link or import it (anew).',
    tenant: entraTenantId,
  })
}

/**
 * One that no key opens must not keep the others from being used: it is logged, and is the error only where none opens.
 * Whatever keeps an own app from signing in is lost access, which opens a problem of the Entra tenant.
 */
function openCredentials(
  app: ChosenApp & { level: 'custom' },
  sealed: SealedCredential[],
  ring: KeyRing,
  entraTenantId: string,
  log: Log,
): AppCredential[] {
  const opened: AppCredential[] = []
  const refusals: EntraSyncError[] = []
  for (const credential of sealed) {
    try {
      opened.push(openCredential(app, credential, ring))
    } catch (error) {
      if (!isEntraSyncError(error)) throw error
      log.error(
        { err: error, entraTenantId, credentialId: credential.credentialId },
        'a credential is unusable',
      )
      refusals.push(error)
    }
  }
  if (opened.length > 0) return opened
  const [first] = refusals
  throw new EntraSyncError(
    'access_lost',
    first === undefined ? `The app ${app.clientId} has no credential.` : first.message,
    {
      code: first?.code ?? 'app_credential_missing',
      remedy:
        first?.remedy ??
        `Add one: entra-sync permission-level ${app.ownerEntraTenantId} custom --client-secret-file FILE.`,
      tenant: entraTenantId,
      cause: first,
    },
  )
}

function openCredential(
  { clientId, ownerEntraTenantId }: ChosenApp & { level: 'custom' },
  { credentialId, kind, sealed }: SealedCredential,
  ring: KeyRing,
): AppCredential {
  const text = open(ring, sealed, { purpose: credentialPurpose, entraTenantId: ownerEntraTenantId })
  if (kind === 'secret') return { clientId, secret: text }
  const read = readAppCertificate(text)
  if ('certificate' in read) return { clientId, certificate: read.certificate }
  throw new EntraSyncError('config', `The certificate of credential ${credentialId} ${read.wrong}`, {
    code: 'app_certificate_unusable',
    remedy: 'Add a new certificate to the app registration, and here beside this one.',
    tenant: ownerEntraTenantId,
  })
}
