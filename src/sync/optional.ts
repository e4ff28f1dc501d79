import { clearDueLicenseSources, dueLicenseSources, saveLicenseSources } from '../db/licenses.ts'
import { noteDrift } from '../db/cursors.ts'
import { noteOptionalRead, saveOrganization, type SyncedTenant } from '../db/entra-tenants.ts'
import { countGroups, dueTeams, saveTeams } from '../db/groups.ts'
import { keptBackSize } from '../db/holds.ts'
import { countPersons } from '../db/persons.ts'
import { closeProblems, openProblem } from '../db/problems.ts'
import { EntraSyncError, isEntraSyncError } from '../errors.ts'
import { asOptional } from '../graph/errors.ts'
import { readLicenseSources } from '../graph/license-sources.ts'
import { readOrganization } from '../graph/organization.ts'
import { readArchived } from '../graph/teams.ts'
import { writeFenced, type Slice } from './context.ts'
import { drift } from './problems.ts'

const hour = 3_600_000
const organizationEveryMs = 6 * hour
const devicesEveryMs = 6 * hour
const teamsEveryMs = 6 * hour
const licenseSourcesEveryMs = 24 * hour
// Microsoft allows 30 reads of Teams a second: two seconds of a run, not the seven that a company with 200 Teams took.
const teamsARun = 60
// Up to here ten $batch requests; beyond, listing all users (999 a page) asks less of Graph than one request a person.
const maxBatchedPersons = 200

type ReadAt = 'organization_read_at' | 'devices_read_at' | 'teams_read_at' | 'license_sources_read_at'

/** True when this was read longer ago than `ms`, or never: both by the clock of Postgres, which no process' clock is. */
function isOlder(tenant: SyncedTenant, what: ReadAt, ms: number): boolean {
  const date = tenant[what]
  return date === null || tenant.read_at.getTime() - date.getTime() >= ms
}

/** Also while a problem says that another directory answers: only reading it again can disprove that. */
export const isOrganizationDue = (tenant: SyncedTenant) =>
  tenant.organization_disputed || isOlder(tenant, 'organization_read_at', organizationEveryMs)
export const areDevicesDue = (tenant: SyncedTenant) => isOlder(tenant, 'devices_read_at', devicesEveryMs)

/**
 * Proves that the directory which answers is the one asked for, and reads its domains. Throws `wrong_tenant` when it is
 * another. A tenant whose app may not read /organization goes on unproved, with a notice.
 */
export async function proveOrganization(slice: Slice): Promise<string | null> {
  const { entraTenantId } = slice
  try {
    const organization = await readOrganization(slice.client, { signal: slice.signal })
    if (organization.id.toLowerCase() !== entraTenantId.toLowerCase()) {
      throw new EntraSyncError(
        'wrong_tenant',
        `The directory that answered is ${organization.id}, not ${entraTenantId}.`,
        {
          code: 'wrong_tenant',
          tenant: entraTenantId,
          resource: '/organization',
          remedy:
            'Check the id of this Entra tenant and the app that reads it; nothing of the other directory was stored.',
        },
      )
    }
    await writeFenced(slice, async (db) => {
      await saveOrganization(db, entraTenantId, organization)
      await closeProblems(db, entraTenantId, ['organization'])
    })
    return null
  } catch (error) {
    const notice = asOptional(error)
    await writeFenced(slice, (db) => noteOptionalRead(db, entraTenantId, 'organization_read_at'))
    return notice.message
  }
}

/**
 * Reads whether Teams are archived: of new and changed ones, and every six hours (or in a full round) of those not read
 * for a day. What does not fit into a run, or fails, waits for the next such look, so that no cycle pays for it.
 */
export async function readTeams(slice: Slice, tenant: SyncedTenant, full: boolean): Promise<void> {
  const { entraTenantId } = slice
  const all = full || isOlder(tenant, 'teams_read_at', teamsEveryMs)
  const ids = await dueTeams(slice.context.db, entraTenantId, { all, most: teamsARun })
  if (ids.length === 0 && !all) return
  let teams: { object_id: string; archived: boolean | null }[] = []
  try {
    if (ids.length > 0) {
      const archived = await readArchived(slice.client, ids, { signal: slice.signal })
      teams = ids.map((id) => ({ object_id: id, archived: archived.get(id) ?? null }))
    }
  } catch (error) {
    throw asOptional(error)
  } finally {
    await writeFenced(slice, async (db) => {
      if (teams.length > 0) await saveTeams(db, entraTenantId, teams)
      await noteOptionalRead(db, entraTenantId, 'teams_read_at')
    })
  }
}

/** Reads where licences come from: of all persons once a day, else of those whose licences have changed. */
export async function readSources(slice: Slice, tenant: SyncedTenant): Promise<void> {
  const { entraTenantId } = slice
  const { db } = slice.context
  const daily = isOlder(tenant, 'license_sources_read_at', licenseSourcesEveryMs)
  const due = daily ? [] : await dueLicenseSources(db, entraTenantId, maxBatchedPersons + 1)
  if (!daily && due.length === 0) return
  const all = daily || due.length > maxBatchedPersons
  try {
    for await (const users of readLicenseSources(slice.client, all ? null : due, { signal: slice.signal })) {
      const rows = users.flatMap((user) =>
        user.sources.map((source) => ({
          object_id: user.id,
          sku_id: source.skuId,
          assigned_by_group: source.assignedByGroup,
          state: source.state,
          error: source.error,
        })),
      )
      await writeFenced(slice, (trx) =>
        saveLicenseSources(
          trx,
          entraTenantId,
          users.map((user) => user.id),
          rows,
        ),
      )
    }
    // Who was not in the answer is gone by now; the users' delta will tell.
    await writeFenced(slice, async (trx) => {
      if (all) await noteOptionalRead(trx, entraTenantId, 'license_sources_read_at')
      await clearDueLicenseSources(trx, entraTenantId, all ? null : due)
    })
  } catch (error) {
    const denied = asOptional(error)
    await writeFenced(slice, async (trx) => {
      await noteOptionalRead(trx, entraTenantId, 'license_sources_read_at')
      await clearDueLicenseSources(trx, entraTenantId, null)
    })
    throw denied
  }
}

/** Compares what is stored after a full round with Graph's own count; a lasting difference is a problem. */
export async function compareCounts(slice: Slice, collection: 'users' | 'groups'): Promise<void> {
  const { entraTenantId } = slice
  const { db } = slice.context
  const counted = await slice.client
    .count(`/${collection}/$count`, { signal: slice.signal })
    .catch((error: unknown) => {
      throw asOptional(error)
    })
  const stored =
    collection === 'users' ? await countPersons(db, entraTenantId) : await countGroups(db, entraTenantId)
  const kept = await keptBackSize(db, entraTenantId, collection === 'users' ? 'person' : 'group')
  const difference = Math.abs(stored - kept - counted)
  await writeFenced(slice, async (trx) => {
    const rounds = await noteDrift(trx, entraTenantId, collection, difference > Math.max(5, counted * 0.01))
    if (rounds >= 2) await openProblem(trx, entraTenantId, drift(collection, stored, counted))
    if (rounds === 0) await closeProblems(trx, entraTenantId, [`drift_${collection}`])
  })
}

/**
 * Runs an optional read. What goes wrong with it never fails the run: the answer is the notice to show, null if all
 * went well. Losing the lease is no such fault.
 */
export async function optionally(
  slice: Slice,
  what: string,
  read: () => Promise<void>,
): Promise<string | null> {
  if (slice.signal.aborted) return `${what}: put off, the worker is stopping`
  try {
    await read()
    return null
  } catch (error) {
    if (isEntraSyncError(error, 'fenced')) throw error
    slice.context.log.warn({ error, entraTenantId: slice.entraTenantId, what }, 'an optional read failed')
    return `${what}: ${error instanceof Error ? error.message : String(error)}`
  }
}
