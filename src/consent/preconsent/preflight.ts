import pLimit from 'p-limit'
import { isEntraSyncError } from '../../errors.ts'
import type { GraphClient } from '../../graph/client.ts'
import { listRelationships, type GdapRelationship } from '../../graph/gdap.ts'
import { listAccessAssignments, type AccessAssignment } from '../../graph/access-assignments.ts'
import { judgeCustomer } from './judge-customer.ts'
import { judgePartner, type PartnerFacts } from './judge-partner.ts'
import { catalogueError, type PreconsentContext } from './context.ts'
import { readPartnerApp } from './partner-app.ts'
import { readCandidate, type Candidate } from './rows.ts'

/** One requirement of pre-consent. `ok` null = it can't be found out from here; it is tried all the same. */
export interface Requirement {
  code: string
  ok: boolean | null
  /** What was found, a sentence. */
  found: string
  /** What to do and where; null where nothing is. */
  remedy: string | null
}

export interface CustomerPreflight {
  entraTenantId: string
  name: string
  ready: boolean
  requirements: Requirement[]
}

export interface Preflight {
  partnerEntraTenantId: string
  partnerName: string
  clientId: string
  /** Who would consent; null = nobody has signed in. */
  userName: string | null
  /** What all customers depend on. */
  requirements: Requirement[]
  ready: boolean
  customers: CustomerPreflight[]
}

/** Relationships whose assignments are read at once. */
const atOnce = 4

/**
 * Whether the partner's signed-in user can pre-consent each of these customers, and what is missing where. Read with
 * the app's own token in the partner's tenant, with permissions that discovery needs anyway:
 * DelegatedAdminRelationship.Read.All for relationships and their access assignments, User.Read.All or
 * GroupMember.Read.All for the user's groups. Nothing is changed anywhere.
 * @throws `not_a_partner`, `default_app_missing`; transient faults as Graph has them
 */
export async function preflight(
  context: PreconsentContext,
  partnerEntraTenantId: string,
  customerIds: readonly string[],
  signal: AbortSignal,
): Promise<Preflight> {
  const app = await readPartnerApp(context, partnerEntraTenantId)
  const own = context.graph.asApp(app.clientId)
  try {
    const client = own.forTenant(partnerEntraTenantId)
    const partner = await judgePartner(context, app, client, signal)
    const customers: CustomerPreflight[] = []
    const listed = await readListed(client, customerIds, signal)
    for (const id of customerIds)
      customers.push(await preflightCustomer(context, client, partner, listed, id, signal))
    return {
      partnerEntraTenantId,
      partnerName: app.name,
      clientId: app.clientId,
      userName: partner.signIn?.userName ?? null,
      requirements: partner.requirements,
      ready: partner.requirements.every(({ ok }) => ok !== false),
      customers,
    }
  } finally {
    own.close()
  }
}

export interface Listed {
  relationship: GdapRelationship
  assignments: AccessAssignment[]
}

/** Those of the customers asked for that count, with their assignments; null = the app may not read them. */
async function readListed(
  client: GraphClient,
  customerIds: readonly string[],
  signal: AbortSignal,
): Promise<Listed[] | null> {
  const wanted = new Set(customerIds)
  const found: GdapRelationship[] = []
  try {
    for await (const page of listRelationships(client, { signal })) {
      found.push(
        ...page.filter(
          ({ entraTenantId, status, displayName, endsAt }) =>
            entraTenantId !== null &&
            wanted.has(entraTenantId) &&
            status === 'active' &&
            // Microsoft-led transitions hold reading roles only.
            !displayName?.startsWith('MLT_') &&
            (endsAt === null || endsAt.getTime() > Date.now()),
        ),
      )
    }
    const limit = pLimit(atOnce)
    return await Promise.all(
      found.map((relationship) =>
        limit(async () => ({
          relationship,
          assignments: await listAccessAssignments(client, relationship.relationshipId, { signal }),
        })),
      ),
    )
  } catch (error) {
    if (isEntraSyncError(error, 'access_lost')) return null
    throw error
  }
}

async function preflightCustomer(
  context: PreconsentContext,
  client: GraphClient,
  partner: PartnerFacts,
  listed: Listed[] | null,
  entraTenantId: string,
  signal: AbortSignal,
): Promise<CustomerPreflight> {
  const candidate = await readCandidate(context.db, entraTenantId)
  const refused = refusalOf(candidate, partner, entraTenantId)
  const requirements =
    refused !== null
      ? [refused]
      : listed === null
        ? [unreadable]
        : await judgeCustomer(
            client,
            partner,
            candidate?.name ?? entraTenantId,
            listed.filter(({ relationship }) => relationship.entraTenantId === entraTenantId),
            signal,
          )
  return {
    entraTenantId,
    name: candidate?.name ?? entraTenantId,
    ready: requirements.every(({ ok }) => ok !== false),
    requirements,
  }
}

/** What pre-consent itself would refuse before it asks anybody. */
function refusalOf(
  candidate: Candidate | null,
  { partnerEntraTenantId }: PartnerFacts,
  entraTenantId: string,
): Requirement | null {
  const code =
    candidate === null ||
    candidate.kind !== 'customer' ||
    candidate.partnerEntraTenantId !== partnerEntraTenantId
      ? 'preconsent_no_customer'
      : ['gone', 'offboarded', 'disabled'].includes(candidate.state)
        ? 'preconsent_stopped'
        : null
  if (code === null) return null
  const error = catalogueError(code, { tenant: entraTenantId })
  return { code, ok: false, found: error.message, remedy: error.remedy ?? null }
}

const unreadable: Requirement = {
  code: 'relationships_readable',
  ok: null,
  found: "The app may not read GDAP relationships in the partner's tenant.",
  remedy:
    'Grant it DelegatedAdminRelationship.Read.All (application) there: entra-sync permission-level shows the table.',
}
