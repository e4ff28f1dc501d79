import { readAtMost } from '../bounded-file.ts'
import type { Kysely } from 'kysely'
import type { AppCheck } from '../consent/apps/check-app.ts'
import { consentsNeeded, type ConsentNeeded } from '../consent/apps/consents-needed.ts'
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
import { delegatedPermissions, permissions, type Permission, type PermissionNeed } from '../permissions.ts'
import { actorOfCommand } from './actor.ts'
import { checkRegistration } from './app-check.ts'
import { withDatabase, type CommandContext } from './context.ts'
import { delegatedLines } from './delegated-permissions.ts'
import { findEntraTenant, type FoundTenant } from './find-tenant.ts'
import { recordLines } from './records.ts'
import { printable } from './text.ts'

const largestCredential = 1024 * 1024

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
    const set = level !== undefined || options.removeCredential !== undefined
    const check = set ? await checkRegistration(context, db, tenant.entraTenantId) : null
    const now = await readPermissionLevel(db, tenant.entraTenantId)
    const clientId = now.clientId ?? context.config.defaultApp?.clientId ?? null
    // Consent is to an app: with another one, what was granted to the one before does not count.
    const other = now.clientId !== before.clientId && clientId !== null
    const consents = other ? await consentsNeeded(db, tenant.entraTenantId, clientId) : null
    if (options.clientSecretFile !== undefined && now.credentials[0]?.expiresAt === null)
      notices.push(endUnknown)
    for (const line of [...notices, ...changeLines(consents), ...checkLines(set, check)])
      context.output.line(printable(line))
    tell(context, tenant, now, { listOnly: options.list, consents, check })
    return 0
  })
}

const endUnknown = 'Its end is not known: give --expires DATE, and you are warned before it.'

/** Names told in a sentence; `consent list` has all. */
const mostNames = 5

function changeLines(consents: { needed: ConsentNeeded[]; of: number } | null): string[] {
  if (consents === null) return []
  const { needed, of } = consents
  const whose = of === 1 ? 'Its own Entra tenant' : `All ${of} Entra tenants`
  if (needed.length === 0)
    return [`Another app than before. ${whose} consented to it before: nothing else to do.`]
  const names = needed.slice(0, mostNames).map(({ name }) => name)
  const more = needed.length > mostNames ? ` and ${needed.length - mostNames} more` : ''
  return [
    `Another app than before: ${needed.length} of ${of} Entra tenants must consent to it (${names.join(', ')}${more}).`,
    'Until then each is read with the app that it has consented to. `entra-sync consent list` shows them all, `entra-sync consent url ID` makes the link for an admin.',
  ]
}

function checkLines(set: boolean, check: AppCheck | null): string[] {
  if (!set) return []
  if (check === null)
    return ['The app registration was not checked: Microsoft did not answer in time. It is checked daily.']
  const found = check.findings.flatMap(({ message, remedy }) => [`Not right: ${message}`, `  ${remedy}`])
  return check.notice === null ? found : [check.notice, ...found]
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
  return [`Added ${credential.kind} ${credentialId}.`]
}

async function readCredential(options: PermissionLevelOptions): Promise<NewCredential | null> {
  const { clientSecretFile, certificateFile, expires } = options
  if (certificateFile !== undefined) return certificateCredential(contents(certificateFile))
  if (clientSecretFile === undefined) return null
  return secretCredential(contents(clientSecretFile), expires ?? null)
}

function contents(file: string): string {
  const read = readAtMost(file, largestCredential)
  if (!('wrong' in read)) return read.bytes.toString('utf8')
  throw new EntraSyncError('input', `The file can't be read: ${read.wrong}.`, {
    code: 'credential_file_unreadable',
    remedy: 'Check the path and who may read the file.',
  })
}

function tell(
  context: CommandContext,
  tenant: FoundTenant,
  now: PermissionLevel,
  told: {
    listOnly: boolean
    consents: { needed: ConsentNeeded[]; of: number } | null
    check: AppCheck | null
  },
): void {
  const { output, config } = context
  const { listOnly, consents, check } = told
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
    output.line('Redirect URI of the app registration (platform Web), exactly:')
    output.line(redirectUri)
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
    ...(consents !== null && { consentsNeeded: consents.needed }),
    ...(check !== null && { check }),
    ...(!listOnly && { redirectUri, permissions, delegatedPermissions }),
  })
}

function credentialLines(credentials: StoredCredential[], width: number | null): string[] {
  return recordLines(
    [
      { title: 'Credential', value: ({ credentialId }) => credentialId },
      { title: 'Kind', value: ({ kind }) => kind },
      { title: 'Added', value: ({ addedAt }) => day(addedAt) },
      { title: 'Expires', value: ({ expiresAt }) => day(expiresAt) },
      { title: 'Known from', value: knownFrom },
      { title: 'Thumbprint (SHA-256)', value: ({ thumbprint }) => thumbprint ?? '' },
    ],
    credentials,
    width,
  )
}

const day = (at: Date | null): string => at?.toISOString().slice(0, 10) ?? 'not known'

function knownFrom({ expiresSource, registered }: StoredCredential): string {
  if (registered === false) return 'not in the app registration'
  if (expiresSource === null) return ''
  return { told: 'told (--expires)', certificate: 'the certificate', graph: 'Microsoft' }[expiresSource]
}

const needs: Record<PermissionNeed, string> = {
  required: 'required',
  instead: 'instead of these',
  partner: 'partner only',
  optional: 'optional',
}

/** Application permissions of Microsoft Graph that the registration is given. */
function permissionLines(width: number | null): string[] {
  return recordLines<Permission>(
    [
      { title: 'Application permission', value: ({ name }) => name },
      { title: 'Need', value: ({ need }) => needs[need] },
      { title: 'For', value: ({ purpose, or }) => (or === undefined ? purpose : `${purpose} (or ${or})`) },
    ],
    [...permissions],
    width,
  )
}
