import { z } from 'zod'
import { checkApp, type AppCheck } from '../../consent/apps/check-app.ts'
import { consentsNeeded, type ConsentNeeded } from '../../consent/apps/consents-needed.ts'
import {
  certificateCredential,
  secretCredential,
  type NewCredential,
} from '../../consent/apps/new-credential.ts'
import {
  readPermissionLevel,
  setCustomLevel,
  setDefaultLevel,
  type PermissionLevel,
} from '../../consent/apps/permission-level.ts'
import { requireEntraTenant } from '../../db/entra-tenant-facts.ts'
import { EntraSyncError, isEntraSyncError } from '../../errors.ts'
import { permissions, type Permission } from '../../permissions.ts'
import { redirectUriOf, type ConsoleDeps } from '../console-deps.ts'
import { uuid } from '../input.ts'

export const credentialInput = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('secret'),
    secret: z.string().min(1).max(1000).meta({ description: "the client secret's value, not its ID" }),
    expiresAt: z.coerce
      .date()
      .optional()
      .meta({ description: 'the end that the portal showed; one is warned before it' }),
  }),
  z.strictObject({
    kind: z.literal('certificate'),
    pem: z.string().min(1).max(100_000).meta({ description: 'private key and certificate as PEM' }),
  }),
])

export const levelInput = z.discriminatedUnion('level', [
  z.strictObject({ level: z.literal('default') }),
  z.strictObject({
    level: z.literal('custom'),
    clientId: uuid
      .optional()
      .meta({ description: 'application (client) id; left out: the app that is or was in use last' }),
    credential: credentialInput.optional(),
  }),
])

export type CredentialInput = z.output<typeof credentialInput>
export type LevelInput = z.output<typeof levelInput>

/** The permission level with what the app registration needs. */
export interface LevelView extends PermissionLevel {
  /** Client id of the app that the level says; null = level Default, and no Default app is configured. */
  wantedClientId: string | null
  redirectUri: string
  permissions: readonly Permission[]
}

/** @throws kind `input`, code `entra_tenant_unknown` */
export async function viewLevel(deps: ConsoleDeps, entraTenantId: string): Promise<LevelView> {
  await requireEntraTenant(deps.db, entraTenantId)
  const level = await readPermissionLevel(deps.db, entraTenantId)
  return {
    ...level,
    wantedClientId: level.clientId ?? deps.defaultApp?.clientId ?? null,
    redirectUri: redirectUriOf(deps),
    permissions,
  }
}

/** Sets the level, and with Custom stores a credential where one is given. @throws as `setCustomLevel` does */
export async function changeLevel(
  deps: ConsoleDeps,
  entraTenantId: string,
  change: LevelInput,
  actor: string,
): Promise<void> {
  await requireEntraTenant(deps.db, entraTenantId)
  if (change.level === 'default') {
    await setDefaultLevel(deps.db, { entraTenantId, actor })
    return
  }
  await setCustomLevel(deps.db, deps.keyRing, {
    entraTenantId,
    clientId: change.clientId ?? null,
    credential: change.credential === undefined ? null : newCredential(change.credential),
    actor,
  })
}

/**
 * Adds a credential to the app in use, beside those that it has.
 * @throws kind `input`, code `level_default` where the level is not Custom
 */
export async function addCredential(
  deps: ConsoleDeps,
  entraTenantId: string,
  credential: CredentialInput,
  actor: string,
): Promise<string> {
  await requireEntraTenant(deps.db, entraTenantId)
  const { level, clientId } = await readPermissionLevel(deps.db, entraTenantId)
  if (level !== 'custom') {
    throw new EntraSyncError('input', 'The permission level is Default, whose app is in the configuration.', {
      code: 'level_default',
      remedy: 'Set the level to Custom with the client id of an app registration and this credential.',
      tenant: entraTenantId,
    })
  }
  const { credentialId } = await setCustomLevel(deps.db, deps.keyRing, {
    entraTenantId,
    clientId,
    credential: newCredential(credential),
    actor,
  })
  if (credentialId === null) throw new TypeError('a credential was stored without an id')
  return credentialId
}

/** Long enough for a registration that answers; who waits for a page is not kept for longer. */
const patienceMs = 10_000

/**
 * Reads the registrations of the Entra tenant's apps now, as housekeeping does daily; null = Microsoft did not answer
 * in time. @throws kind `input`, code `entra_tenant_unknown`
 */
export async function checkRegistration(
  deps: ConsoleDeps,
  entraTenantId: string,
  signal: AbortSignal,
): Promise<AppCheck | null> {
  const { db, graph, keyRing: ring, log, defaultApp } = deps
  await requireEntraTenant(db, entraTenantId)
  const timeout = AbortSignal.timeout(patienceMs)
  const context = { db, graph, ring, log, defaultApp, redirectUri: redirectUriOf(deps) }
  try {
    return await checkApp(context, entraTenantId, AbortSignal.any([signal, timeout]))
  } catch (error) {
    if (timeout.aborted && isEntraSyncError(error, 'aborted')) return null
    throw error
  }
}

/** Who has to consent because the level says another app than before; null = it says the same. */
export async function consentsAfter(
  deps: ConsoleDeps,
  entraTenantId: string,
  before: PermissionLevel,
): Promise<{ needed: ConsentNeeded[]; of: number } | null> {
  const now = await viewLevel(deps, entraTenantId)
  if (now.clientId === before.clientId || now.wantedClientId === null) return null
  return consentsNeeded(deps.db, entraTenantId, now.wantedClientId)
}

function newCredential(given: CredentialInput): NewCredential {
  return given.kind === 'certificate'
    ? certificateCredential(given.pem)
    : secretCredential(given.secret, given.expiresAt ?? null)
}
