import { createHash } from 'node:crypto'
import pLimit from 'p-limit'
import { inMs, steadyNow } from '../clock.ts'
import { loadCursor } from '../db/cursors.ts'
import { readSyncedTenant, type SyncedTenant } from '../db/entra-tenants.ts'
import { EntraSyncError, isEntraSyncError } from '../errors.ts'
import { collections, type Collection } from './collections.ts'
import type { Progress, RunResult, Slice, SyncContext } from './context.ts'
import { endSlice, type SliceEnd } from './ends.ts'
import { claim, keepLease, type Claim } from './lease.ts'
import {
  areDevicesDue,
  compareCounts,
  isOrganizationDue,
  optionally,
  proveOrganization,
  readSources,
  readTeams,
} from './optional.ts'
import { errorOf, readCollection, roundFacts, type CollectionEnd } from './rounds.ts'
import { canContinue, roundMode } from './verdict.ts'

export { defaultTimings } from './context.ts'
export type { CollectionSummary, Progress, RunResult, SyncContext, SyncTimings } from './context.ts'

// Three claims without one committed page: whatever kills the workers is in this Entra tenant's data.
const maxClaimsWithoutPage = 3

/**
 * Serves what is wanted of one Entra tenant, for one slice: takes the lease, reads its collections page by page into
 * Postgres, judges their ends, and records the run. Answers at once when nothing is wanted, another worker is at it or
 * Microsoft asked to wait. A failure of the run is an answer (`outcome` failed, `error`), not a throw; only a database
 * that is lost throws. `onProgress` hears of each page.
 */
export async function runSync(
  context: SyncContext,
  entraTenantId: string,
  options: { signal?: AbortSignal | undefined; onProgress?: ((progress: Progress) => void) | undefined } = {},
): Promise<RunResult> {
  const claimed = await claim(context, entraTenantId)
  if (claimed.status !== 'claimed') return notClaimed(claimed)
  const lease = keepLease(context, entraTenantId, claimed.runSeq)
  try {
    const signals = options.signal === undefined ? [lease.lost] : [lease.lost, options.signal]
    return await runSlice(context, entraTenantId, claimed, AbortSignal.any(signals), options.onProgress)
  } finally {
    await lease.stop()
  }
}

async function runSlice(
  context: SyncContext,
  entraTenantId: string,
  claimed: Extract<Claim, { status: 'claimed' }>,
  signal: AbortSignal,
  onProgress: ((progress: Progress) => void) | undefined,
): Promise<RunResult> {
  const progress: Progress = {}
  const tenant = await readSyncedTenant(context.db, entraTenantId)
  if (tenant === null) throw new TypeError(`no Entra tenant ${entraTenantId} behind its lease`)
  const databaseAheadMs = tenant.read_at.getTime() - steadyNow()
  const slice: Slice = {
    context,
    entraTenantId,
    runSeq: claimed.runSeq,
    runId: claimed.runId,
    serving: claimed.serving,
    client: context.graphFor(entraTenantId),
    signal,
    deadline: steadyNow() + context.timings.sliceMs,
    databaseNow: () => inMs(databaseAheadMs),
    appId: null,
    permissionsHash: null,
    hiddenReadable: false,
    reconcileMs: context.intervals.reconcileMs,
    progress(collection, state) {
      progress[collection] = state
      onProgress?.({ ...progress })
    },
  }
  const end: SliceEnd = { ends: [], notices: [] }
  try {
    if (claimed.claimsWithoutPage > maxClaimsWithoutPage) throw poisoned(slice, claimed.claimsWithoutPage - 1)
    await readSlice(slice, tenant, end)
  } catch (error) {
    end.error = isEntraSyncError(signal.reason, 'fenced') ? signal.reason : errorOf(error)
    if (end.error.code === 'unexpected')
      context.log.error({ error, entraTenantId, runId: claimed.runId }, 'unexpected')
  }
  return endSlice(slice, tenant, end)
}

/** Reads what this serving wants: proof of the tenant, the required collections in parallel, then what is optional. */
async function readSlice(slice: Slice, tenant: SyncedTenant, end: SliceEnd): Promise<void> {
  // As Postgres gives it back.
  slice.appId = (await slice.context.appIdFor(slice.entraTenantId))?.toLowerCase() ?? null
  const claims = await slice.client.claims({ signal: slice.signal })
  if (claims?.roles !== undefined) {
    slice.permissionsHash = createHash('sha256')
      .update(claims.roles.toSorted().join(' '))
      .digest('hex')
      .slice(0, 16)
    slice.hiddenReadable = claims.roles.includes('Member.Read.Hidden')
  }
  const wanted = await plan(slice, tenant)
  if (
    isOrganizationDue(tenant) ||
    wanted.some((part) => part.full && part.collection.delta && part.collection.required)
  ) {
    const notice = await proveOrganization(slice)
    if (notice !== null) end.notices.push(notice)
  }
  // Four at once: what Microsoft's guidance allows a tenant; users, groups, skus and, when they are due, devices.
  const limit = pLimit(4)
  const reads = wanted.map((part) => limit(() => readCollection(slice, part.collection)))
  // All of them, whatever becomes of one: the run must not end, nor its lease go, while another still writes pages.
  const done = await Promise.allSettled(reads)
  for (const read of done) if (read.status === 'fulfilled' && read.value !== null) end.ends.push(read.value)
  const failed = done.find((read) => read.status === 'rejected')
  if (failed !== undefined) throw errorOf(failed.reason)
  if (!end.ends.every((one) => !one.collection.required || isComplete(one))) return
  if (end.ends.some((one) => ['fenced', 'yielded'].includes(one.summary.verdict))) return
  await readOptional(slice, tenant, end)
}

/** What follows complete rounds; none of it can fail the run. */
async function readOptional(slice: Slice, tenant: SyncedTenant, end: SliceEnd): Promise<void> {
  const complete = (name: string) => end.ends.find((one) => one.collection.name === name && isComplete(one))
  const note = async (what: string, read: () => Promise<void>) => {
    const notice = await optionally(slice, what, read)
    if (notice !== null) end.notices.push(notice)
  }
  const groups = complete('groups')
  const reads: Promise<void>[] = []
  if (groups)
    reads.push(note('archived Teams', () => readTeams(slice, tenant, groups.summary.mode === 'full')))
  if (complete('users')) reads.push(note('licence sources', () => readSources(slice, tenant)))
  for (const name of ['users', 'groups'] as const) {
    if (complete(name)?.summary.mode === 'full')
      reads.push(note(`count of ${name}`, () => compareCounts(slice, name)))
  }
  await Promise.all(reads)
}

/** The collections to read, and which of them begin a full round. */
async function plan(
  slice: Slice,
  tenant: SyncedTenant,
): Promise<{ collection: Collection; full: boolean }[]> {
  const { collections: names, mode } = slice.serving
  const parts: { collection: Collection; full: boolean }[] = []
  for (const collection of collections) {
    if (names !== null && !names.includes(collection.name)) continue
    const cursor = await loadCursor(slice.context.db, slice.entraTenantId, collection.name)
    const facts = roundFacts(slice, collection)
    const wants = roundMode(cursor, facts)
    const begins = cursor.served_seq < slice.serving.seq && !canContinue(cursor, wants.mode, facts)
    const full = begins && wants.mode === 'full'
    // Devices change slowly and cost a request each time.
    const due =
      collection.required ||
      names !== null ||
      mode === 'full' ||
      cursor.round_id !== null ||
      areDevicesDue(tenant)
    if (due) parts.push({ collection, full })
  }
  return parts
}

function isComplete(end: CollectionEnd): boolean {
  return end.summary.verdict === 'complete' || end.summary.verdict === 'complete_empty'
}

function poisoned(slice: Slice, claims: number): EntraSyncError {
  return new EntraSyncError(
    'transient',
    `${claims} claims in a row ended without one page of this Entra tenant.`,
    {
      code: 'poison',
      tenant: slice.entraTenantId,
      remedy: 'See the log of the workers; it is tried again on its own, rarely.',
    },
  )
}

function notClaimed(claimed: Exclude<Claim, { status: 'claimed' }>): RunResult {
  const { status } = claimed
  const base = { status, moreRequested: status !== 'nothing', summary: {} }
  if (claimed.status === 'nothing') return base
  return {
    ...base,
    ...(claimed.retryAt === null ? {} : { retryAt: claimed.retryAt }),
    ...(claimed.status === 'busy' && claimed.runId !== null ? { runId: claimed.runId } : {}),
  }
}
