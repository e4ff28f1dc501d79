import type { Kysely } from 'kysely'
import pLimit from 'p-limit'
import { listConsents, type ConsentEntry } from '../consent/grants/list.ts'
import { proveConsent, type Proof } from '../consent/grants/prove.ts'
import { createTicket } from '../consent/grants/tickets.ts'
import { readWantedApp } from '../db/app-registrations.ts'
import type { Database } from '../db/tables.ts'
import { describeError, EntraSyncError } from '../errors.ts'
import { actorOfCommand } from './actor.ts'
import { withDatabase, type CommandContext } from './context.ts'
import { findEntraTenant } from './find-tenant.ts'
import { withGraph } from './graph.ts'
import { tableLines } from './table.ts'
import { printable } from './text.ts'

/** Proofs at once: each is a handful of small requests. */
const atOnce = 8

const defaultApp = ({ config }: CommandContext): string | null => config.defaultApp?.clientId ?? null

/** `consent url ID`: a link for an admin of the Entra tenant, who needs no sign-in to us. */
export function consentUrl(context: CommandContext, id: string): Promise<number> {
  const { output, config } = context
  return withDatabase(context, async (db) => {
    const { entraTenantId, name, state } = await findEntraTenant(db, id)
    if (state === 'gone' || state === 'offboarded') throw over(name, entraTenantId, state)
    const app = await readWantedApp(db, entraTenantId, defaultApp(context))
    if (app === null) throw noApp(entraTenantId)
    const { clientId } = app
    const { url: path, expiresAt } = await createTicket(db, {
      entraTenantId,
      clientId,
      actor: actorOfCommand(),
    })
    const url = config.http.publicUrl + path
    const redirectUri = `${config.http.publicUrl}/consent-callback`
    output.document({ entraTenantId, name, url, expiresAt, clientId, redirectUri, roles })
    output.line(`Send this to an administrator of ${name}:`)
    output.line()
    output.line('  Please allow us to read the directory of your organization: users, groups and licences.')
    output.line(`  Open this link before ${day(expiresAt)} and sign in as ${roles.join(' or ')};`)
    output.line('  read what is asked for, and accept it for your organization.')
    output.line()
    output.line(`  ${url}`)
    output.line()
    output.line(`App ${clientId}; its registration must list the redirect URI ${redirectUri} (platform Web).`)
    output.line(
      `No answer has come? entra-sync consent verify ${entraTenantId} looks whether it is there all the same.`,
    )
    if (isLocal(config.http.publicUrl))
      output.notice(
        `PUBLIC_URL is ${config.http.publicUrl}: only a browser on this machine can open the link.`,
      )
    return 0
  })
}

// Microsoft Graph's application permissions are excluded from what other admin roles may consent to.
const roles = ['Privileged Role Administrator', 'Global Administrator']

/** `consent verify`: proves now, in this process; no daemon is needed. */
export function consentVerify(context: CommandContext, given: string[] | 'all'): Promise<number> {
  const { output, log, signal } = context
  return withDatabase(context, async (db) => {
    const tenants = await chosen(db, given, defaultApp(context))
    const limit = pLimit(atOnce)
    const proofs = await withGraph(context, db, (graph) =>
      Promise.all(
        tenants.map(({ entraTenantId, name }) =>
          limit(async () => ({
            entraTenantId,
            name,
            proof: await proveConsent({ db, graph, log }, entraTenantId, { method: 'check_now', signal }),
          })),
        ),
      ),
    )
    for (const { name, entraTenantId, proof } of proofs) {
      for (const line of proofLines(name, entraTenantId, proof)) output.line(line)
    }
    if (proofs.length === 0) output.line('No Entra tenant yet. `entra-sync init` makes the first one.')
    output.document({ proofs: proofs.map(({ proof, ...of }) => documentOf(of, proof)) })
    return proofs.every(({ proof }) => proof.status === 'granted' && proof.error === undefined) ? 0 : 3
  })
}

function proofLines(name: string, entraTenantId: string, proof: Proof): string[] {
  const { status, clientId, grantedRoles, missingRoles, missingOptionalRoles, error, nextProofAt, regained } =
    proof
  const list = (title: string, names: string[]): string[] =>
    names.length === 0 ? [] : [`  ${title}: ${names.join(', ')}`]
  return [
    `${name}: ${status === null ? 'not proved' : words[status]} (app ${clientId})`,
    ...(error === undefined ? [] : [`  No verdict now: ${printable(describeError(error))}`]),
    ...list('permissions', grantedRoles),
    ...list('missing', missingRoles),
    ...list('optional, missing', missingOptionalRoles),
    ...(error === undefined ? remedyOf(status, entraTenantId) : []),
    ...(regained ? ['  Its next sync is due now.'] : []),
    ...(status === 'waiting_for_roles' ? [`  The daemon looks again at ${nextProofAt.toISOString()}.`] : []),
  ]
}

const words = {
  required: 'consent required',
  waiting_for_roles: 'waiting for roles',
  granted: 'granted',
  insufficient: 'insufficient',
  revoked: 'revoked',
  other_app: 'other app',
} as const

function remedyOf(status: Proof['status'], entraTenantId: string): string[] {
  const link = `entra-sync consent url ${entraTenantId}`
  if (status === 'insufficient')
    return [`  See that the app registration lists what is missing, then send a new link: ${link}`]
  if (status === 'required' || status === 'revoked') return [`  Send an administrator a link: ${link}`]
  return []
}

function documentOf(of: { entraTenantId: string; name: string }, { error, ...proof }: Proof) {
  if (error === undefined) return { ...of, ...proof }
  const { kind, code, message, remedy, requestId } = error
  return { ...of, ...proof, error: { kind, code, message, remedy, requestId } }
}

async function chosen(
  db: Kysely<Database>,
  given: string[] | 'all',
  defaultClientId: string | null,
): Promise<{ entraTenantId: string; name: string }[]> {
  if (given !== 'all') {
    const found = []
    for (const id of given) found.push(await findEntraTenant(db, id))
    return [...new Map(found.map((one) => [one.entraTenantId, one])).values()]
  }
  const all = await listConsents(db, defaultClientId)
  return all
    .filter(({ state }) => state !== 'offboarded' && state !== 'disabled')
    .map(({ entraTenantId, name }) => ({ entraTenantId, name: printable(name) }))
}

/** `consent list` */
export function consentList(context: CommandContext): Promise<number> {
  const { output } = context
  return withDatabase(context, async (db) => {
    const consents = await listConsents(db, defaultApp(context))
    output.document({ consents })
    if (consents.length === 0) output.line('No Entra tenant yet. `entra-sync init` makes the first one.')
    else for (const line of listLines(consents, output.width)) output.line(line)
    return 0
  })
}

function listLines(consents: ConsentEntry[], width: number | null): string[] {
  return tableLines(
    [
      { title: 'Entra tenant', value: ({ name }) => name },
      { title: 'Kind', value: ({ kind }) => kind },
      { title: 'Consent', value: ({ consent }) => (consent === null ? 'not proved yet' : words[consent]) },
      { title: 'App', value: ({ appId }) => appId ?? 'none' },
      { title: 'Granted', value: ({ grantedAt }) => (grantedAt === null ? '' : day(grantedAt)) },
      {
        title: 'How',
        value: ({ method, grantedBy }) => [method?.replace('_', ' '), grantedBy].filter(Boolean).join(', '),
      },
      { title: 'Missing', value: ({ missingRoles }) => missingRoles.join(', ') },
      { title: 'Read with', value: ({ otherAppId }) => (otherAppId === null ? '' : `app ${otherAppId}`) },
      { title: 'Proved', value: ({ provedAt }) => (provedAt === null ? 'never' : day(provedAt)) },
    ],
    consents,
    width,
  )
}

const day = (at: Date): string => at.toISOString().slice(0, 10)

function isLocal(publicUrl: string): boolean {
  return ['localhost', '127.0.0.1', '[::1]'].includes(new URL(publicUrl).hostname)
}

function over(name: string, tenant: string, state: string): EntraSyncError {
  return new EntraSyncError('input', `${name} is ${state}.`, {
    code: `tenant_${state}`,
    remedy: 'Link or import it anew first.',
    tenant,
  })
}

function noApp(tenant: string): EntraSyncError {
  return new EntraSyncError('config', 'No app is configured that could be consented to.', {
    code: 'default_app_missing',
    remedy:
      'Set DEFAULT_APP_CLIENT_ID and its certificate or secret, or give the tenant an app of its own: entra-sync permission-level ID custom.',
    tenant,
  })
}
