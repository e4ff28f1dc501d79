import { z } from 'zod'
import {
  readConsent,
  readLinks,
  readRelationships,
  readRuns,
  requireEntraTenant,
  requireScheduled,
} from '../../db/entra-tenant-facts.ts'
import { pauseEntraTenant, resumeEntraTenant } from '../../consent/offboard/pausing.ts'
import { listStatus, readStatus, statusFilters, type ListedStatus, type Status } from '../../db/status.ts'
import { syncNow } from '../../jobs/enqueue.ts'
import { listOf, moment, ofEntraTenant, pageOf, paging, route } from './route.ts'

const tag = 'Entra tenants'

const listed = z
  .object({
    entraTenantId: z.guid(),
    displayName: z.string().nullable(),
    defaultDomain: z.string().nullable(),
    tenant: z.string().nullable().meta({ description: 'names of its tenants; null = not linked' }),
    kind: z.enum(['partner', 'customer', 'standalone']),
    state: z.string(),
    scheduled: z.boolean(),
    consent: z
      .enum(['required', 'waiting_for_roles', 'granted', 'insufficient', 'revoked', 'other_app'])
      .nullable()
      .meta({ description: 'to the app that the permission level says; null = never proved' }),
    gdapEndsAt: moment.nullable(),
    problems: z.number().int(),
    problemsSilenced: z.number().int(),
    holds: z.number().int(),
    users: z.number().int(),
    nextSyncAt: moment,
    lastSyncedAt: moment.nullable(),
    lastFullAt: moment.nullable(),
    lastRunOutcome: z.string().nullable(),
  })
  .meta({ id: 'EntraTenant' })

const one = listed
  .extend({
    domains: z.array(z.string()),
    groups: z.number().int(),
    members: z.number().int(),
    teams: z.number().int(),
    skus: z.number().int(),
    devices: z.number().int(),
    links: z.array(
      z.object({
        tenantId: z.guid(),
        name: z.string(),
        slug: z.string(),
        domain: z.string().nullable().meta({ description: 'null = the default link' }),
      }),
    ),
    consentDetail: z
      .object({
        wantedAppId: z.string().nullable(),
        otherAppId: z.string().nullable(),
        missingRoles: z.array(z.string()),
        missingOptionalRoles: z.array(z.string()),
        grantedAt: moment.nullable(),
        grantedBy: z.string().nullable(),
        method: z.string().nullable(),
        provedAt: moment.nullable(),
      })
      .nullable(),
    relationships: z.array(
      z.object({
        relationshipId: z.string(),
        partnerEntraTenantId: z.guid(),
        partner: z.string(),
        displayName: z.string().nullable(),
        status: z.string(),
        roles: z.array(z.string()),
        endsAt: moment.nullable(),
        autoExtends: z.boolean(),
        missingSince: moment.nullable(),
      }),
    ),
    runs: z.array(
      z.object({
        runId: z.guid(),
        mode: z.enum(['delta', 'full']),
        trigger: z.array(z.string()),
        startedAt: moment,
        finishedAt: moment.nullable(),
        outcome: z.string().nullable(),
        requests: z.number().int(),
        throttledMs: z.number(),
        errorCode: z.string().nullable(),
        errorMessage: z.string().nullable(),
        requestId: z.string().nullable(),
      }),
    ),
  })
  .meta({ id: 'EntraTenantDetail' })

const paused = z.object({ entraTenantId: z.guid(), paused: z.boolean() })

function listedOf(row: ListedStatus | Status): z.input<typeof listed> {
  return {
    entraTenantId: row.entra_tenant_id,
    displayName: row.display_name,
    defaultDomain: row.default_domain,
    tenant: row.tenant,
    kind: row.kind,
    state: row.state,
    scheduled: row.scheduled,
    consent: row.consent,
    gdapEndsAt: row.gdap_ends_at,
    problems: row.problems,
    problemsSilenced: row.problems_silenced,
    holds: row.holds,
    users: row.users,
    nextSyncAt: row.next_sync_at,
    lastSyncedAt: row.last_synced_at,
    lastFullAt: row.last_full_at,
    lastRunOutcome: row.last_run_outcome,
  }
}

export const entraTenantRoutes = [
  route({
    method: 'get',
    path: '/entra-tenants',
    operationId: 'listEntraTenants',
    summary: 'Entra tenants by name, with state, consent and freshness',
    tag,
    query: z.object({
      ...paging(z.tuple([z.string(), z.guid()])),
      search: z.string().max(200).optional().meta({ description: 'part of a name, domain or id' }),
      filter: z.enum(statusFilters).optional(),
    }),
    response: listOf(listed),
    async run({ db, syncIntervalMs }, { query: { limit, cursor, search, filter } }) {
      const { rows } = await listStatus(db, syncIntervalMs, {
        search,
        filter,
        after: cursor,
        limit: limit + 1,
      })
      return pageOf(rows, limit, ({ position }) => position, listedOf)
    },
  }),
  route({
    method: 'get',
    path: '/entra-tenants/{id}',
    operationId: 'getEntraTenant',
    summary: 'Everything of one Entra tenant',
    tag,
    params: ofEntraTenant,
    response: one,
    async run({ db }, { params: { id } }) {
      await requireEntraTenant(db, id)
      const [[status], { links, domains }, consent, relationships, runs] = await Promise.all([
        readStatus(db, id),
        readLinks(db, id),
        readConsent(db, id),
        readRelationships(db, id),
        readRuns(db, id, 20),
      ])
      if (status === undefined) throw new TypeError('tenant_status lacks an Entra tenant')
      return {
        ...listedOf(status),
        groups: status.groups,
        members: status.members,
        teams: status.teams,
        skus: status.skus,
        devices: status.devices,
        domains,
        links,
        relationships,
        runs,
        consentDetail:
          consent === null
            ? null
            : {
                wantedAppId: consent.wanted_app_id,
                otherAppId: consent.other_app_id,
                missingRoles: consent.missing_roles ?? [],
                missingOptionalRoles: consent.missing_optional_roles ?? [],
                grantedAt: consent.granted_at,
                grantedBy: consent.granted_by,
                method: consent.method,
                provedAt: consent.proved_at,
              },
      }
    },
  }),
  route({
    method: 'post',
    path: '/entra-tenants/{id}/sync',
    operationId: 'syncEntraTenant',
    summary: 'Ask for a sync now',
    tag,
    params: ofEntraTenant,
    body: z.strictObject({ mode: z.enum(['delta', 'full']).default('delta') }),
    status: 202,
    response: z.object({ entraTenantId: z.guid(), requestSeq: z.number(), jobId: z.string() }),
    async run({ db, jobs }, { params: { id }, body: { mode }, signedIn }) {
      await requireScheduled(db, id)
      return {
        entraTenantId: id,
        ...(await syncNow(db, jobs, { entraTenantId: id, mode, requestedBy: signedIn.name })),
      }
    },
  }),
  route({
    method: 'post',
    path: '/entra-tenants/{id}/pause',
    operationId: 'pauseEntraTenant',
    summary: 'Stop syncing; what is there stays',
    tag,
    params: ofEntraTenant,
    response: paused,
    async run({ db }, { params: { id }, signedIn }) {
      await requireEntraTenant(db, id)
      await pauseEntraTenant(db, { entraTenantId: id, actor: signedIn.name })
      return { entraTenantId: id, paused: true }
    },
  }),
  route({
    method: 'post',
    path: '/entra-tenants/{id}/resume',
    operationId: 'resumeEntraTenant',
    summary: 'Sync a paused Entra tenant again, at once; take one back that was offboarded and not purged',
    tag,
    params: ofEntraTenant,
    response: paused.extend({ reinstated: z.boolean() }),
    async run({ db }, { params: { id }, signedIn }) {
      await requireEntraTenant(db, id)
      const { reinstated } = await resumeEntraTenant(db, { entraTenantId: id, actor: signedIn.name })
      return { entraTenantId: id, paused: false, reinstated }
    },
  }),
]
