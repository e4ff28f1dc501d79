import { readFile } from 'node:fs/promises'
import type { Kysely } from 'kysely'
import {
  certificateCredential,
  secretCredential,
  type NewCredential,
} from '../consent/apps/new-credential.ts'
import {
  readPermissionLevel,
  removeCredential,
  setCustomLevel,
  setDefaultLevel,
  type PermissionLevel,
  type StoredCredential,
} from '../consent/apps/permission-level.ts'
import type { Database } from '../db/tables.ts'
import { EntraSyncError } from '../errors.ts'
import { openKeyRing } from '../key-ring.ts'
import {
  delegatedPermissions,
  permissions,
  type DelegatedPermission,
  type Permission,
  type PermissionNeed,
} from '../permissions.ts'
import { actorOfCommand } from './actor.ts'
import { withDatabase, type CommandContext } from './context.ts'
import { findEntraTenant, type FoundTenant } from './find-tenant.ts'
import { tableLines } from './table.ts'

export interface PermissionLevelOptions {
  clientId?: string
  clientSecretFile?: string
  certificateFile?: string
  expires?: Date
  list: boolean
  removeCredential?: string
}

const actor = actorOfCommand()

/**
 * `permission-level ID [default|custom]`: shows or sets with which app an Entra tenant is read, and what that app's
 * registration needs: redirect URI and permissions.
 */
export function permissionLevel(
  context: CommandContext,
  id: string,
  level: 'default' | 'custom' | undefined,
  options: PermissionLevelOptions,
): Promise<number> {
  return withDatabase(context, async (db) => {
    const tenant = await findEntraTenant(db, id)
    const before = await readPermissionLevel(db, tenant.entraTenantId)
    const notices = await change(context, db, tenant, level, options)
    const now = await readPermissionLevel(db, tenant.entraTenantId)
    // Consent is to an app: with another one, what was granted to the one before does not count.
    if (now.clientId !== before.clientId) {
      const whose = now.customers === 0 ? 'its tenant' : `its tenant and those of ${now.customers} customers`
      notices.push(`Another app than before: it is read once an admin has consented to it in ${whose}.`)
    }
    for (const line of notices) context.output.line(line)
    tell(context, tenant, now, options.list)
    return 0
  })
}

async function change(
  context: CommandContext,
  db: Kysely<Database>,
  { entraTenantId }: FoundTenant,
  level: 'default' | 'custom' | undefined,
  options: PermissionLevelOptions,
): Promise<string[]> {
  if (options.removeCredential !== undefined) {
    await removeCredential(db, { entraTenantId, credentialId: options.removeCredential, actor })
    return [`Removed credential ${options.removeCredential}. Delete it in the app registration too.`]
  }
  if (level === 'default') {
    await setDefaultLevel(db, { entraTenantId, actor })
    return []
  }
  if (level === undefined) return []
  const credential = await readCredential(options)
  const ring = await openKeyRing(context.config)
  const clientId = options.clientId ?? null
  const { credentialId } = await setCustomLevel(db, ring, { entraTenantId, clientId, credential, actor })
  if (credential === null) return []
  const unknown = 'Its end is not known: give --expires DATE, and you are warned before it.'
  return [`Added ${credential.kind} ${credentialId}.`, ...(credential.expiresAt === null ? [unknown] : [])]
}

async function readCredential(options: PermissionLevelOptions): Promise<NewCredential | null> {
  const { clientSecretFile, certificateFile, expires } = options
  if (certificateFile !== undefined) return certificateCredential(await contents(certificateFile))
  if (clientSecretFile === undefined) return null
  return secretCredential(await contents(clientSecretFile), expires ?? null)
}

async function contents(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new EntraSyncError('input', `The file can't be read: ${reason}.`, {
      code: 'credential_file_unreadable',
      remedy: 'Check the path and who may read the file.',
      cause,
    })
  }
}

function tell(context: CommandContext, tenant: FoundTenant, now: PermissionLevel, listOnly: boolean): void {
  const { output, config } = context
  const clientId = now.clientId ?? config.defaultApp?.clientId ?? null
  const redirectUri = `${config.http.publicUrl}/consent-callback`
  const word = now.level === 'custom' ? 'Custom' : 'Default'
  const follows = now.partnerEntraTenantId === null ? '' : `, as its partner ${now.partnerEntraTenantId}`
  const app = clientId === null ? 'no app: DEFAULT_APP_CLIENT_ID is not set' : `app ${clientId}`
  output.line(`${tenant.name}: permission level ${word}${follows}, ${app}.`)
  if (now.level === 'custom') {
    output.line()
    for (const line of credentialLines(now.credentials, output.width)) output.line(line)
  }
  if (!listOnly) {
    output.line()
    output.line(`Redirect URI of the app registration (platform Web): ${redirectUri}`)
    output.line()
    for (const line of permissionLines(output.width)) output.line(line)
    output.line()
    for (const line of delegatedLines(output.width)) output.line(line)
  }
  output.document({
    entraTenantId: tenant.entraTenantId,
    level: now.level,
    clientId,
    partnerEntraTenantId: now.partnerEntraTenantId,
    credentials: now.credentials,
    ...(!listOnly && { redirectUri, permissions, delegatedPermissions }),
  })
}

function credentialLines(credentials: StoredCredential[], width: number | null): string[] {
  const day = (at: Date | null): string => at?.toISOString().slice(0, 10) ?? 'not known'
  return tableLines(
    [
      { title: 'Credential', value: ({ credentialId }) => credentialId },
      { title: 'Kind', value: ({ kind }) => kind },
      { title: 'Added', value: ({ addedAt }) => day(addedAt) },
      { title: 'Expires', value: ({ expiresAt }) => day(expiresAt) },
      { title: 'Thumbprint (SHA-256)', value: ({ thumbprint }) => thumbprint ?? '' },
    ],
    credentials,
    width,
  )
}

const needs: Record<PermissionNeed, string> = {
  required: 'required',
  instead: 'instead of these',
  partner: 'partner only',
  optional: 'optional',
}

/** Application permissions of Microsoft Graph that the registration is given. */
function permissionLines(width: number | null): string[] {
  const named = ({ name, or }: Permission): string => (or === undefined ? name : `${name} (or ${or})`)
  return tableLines<Permission>(
    [
      { title: 'Application permission', value: named },
      { title: 'Need', value: ({ need }) => needs[need] },
      { title: 'For', value: ({ purpose }) => purpose },
    ],
    [...permissions],
    width,
  )
}

/** Delegated permissions of the same registration, which pre-consent through a partner's user needs. */
function delegatedLines(width: number | null): string[] {
  return tableLines<DelegatedPermission>(
    [
      { title: 'Delegated, for pre-consent only', value: ({ name }) => name },
      { title: 'API', value: ({ api }) => api },
      { title: 'Consented to in', value: ({ where }) => where },
      { title: 'For', value: ({ purpose }) => purpose },
    ],
    [...delegatedPermissions],
    width,
  )
}
