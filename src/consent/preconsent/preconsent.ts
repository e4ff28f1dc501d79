import { EntraSyncError, isEntraSyncError } from '../../errors.ts'
import { throwIfAborted } from '../../graph/abort.ts'
import { proveConsent, type Proof } from '../grants/prove.ts'
import { actFor, type Acting, type Target } from './acting.ts'
import { awaitBootstrap, closeBootstrap } from './bootstrap.ts'
import { bootstrapGone, openNoted, tryCloseBootstrap } from './bootstrap-left.ts'
import { catalogueError, isPassing, type PreconsentContext } from './context.ts'
import { grantRoles, rolesToGrant } from './grant-roles.ts'
import {
  advance,
  noteError,
  readCandidate,
  readPreconsent,
  requestPreconsent,
  takeUp,
  type Preconsent,
  type Step,
} from './rows.ts'

/** How a pre-consent ended. */
export type PreconsentResult =
  | { step: 'done'; clientId: string; proof: Proof }
  | { step: 'failed'; clientId: string | null; error: EntraSyncError }
  /** Nothing is open: another worker has ended it. */
  | { step: 'nothing' }

/** A try that fails by a passing fault is repeated by the tick, this often. */
const mostAttempts = 8
/** As often as it takes. */
const mayRepeat = ['aborted', 'throttled']

/**
 * Pre-consents one customer: delegated scopes through Partner Center, the app's permissions as that user in the
 * customer's directory, the scopes taken back, and all of it proved. Each step is noted before it begins and may be
 * repeated, so that a killed worker's work goes on where it was. What can't be is stored with its remedy, and is the
 * result; passing faults are thrown, and leave it open.
 * @throws kinds `transient`, `throttled`, `aborted`, `database`
 */
export async function preconsentCustomer(
  context: PreconsentContext,
  entraTenantId: string,
  signal: AbortSignal,
  options: { requestedBy?: string; onStep?: (step: Step) => void } = {},
): Promise<PreconsentResult> {
  let target: Target
  try {
    target = await targetOf(context, entraTenantId)
  } catch (error) {
    if (!isEntraSyncError(error) || isPassing(error)) throw error
    return { step: 'failed', clientId: null, error }
  }
  const { db } = context
  let row = await takeUp(db, entraTenantId, target.clientId)
  // A job that was added by hand asks for it; one that the tick or a command has added finds it asked for.
  if (row === null && options.requestedBy !== undefined) {
    await requestPreconsent(db, target, options.requestedBy)
    row = await takeUp(db, entraTenantId, target.clientId)
  }
  if (row === null) return { step: 'nothing' }
  try {
    const proof = await walk(context, row, signal, options.onStep ?? (() => {}))
    return { step: 'done', clientId: target.clientId, proof }
  } catch (error) {
    if (!isEntraSyncError(error)) throw error
    await noteError(db, row, error)
    if (isPassing(error) && (row.attempts < mostAttempts || mayRepeat.includes(error.kind))) throw error
    await giveUp(context, row, signal)
    return { step: 'failed', clientId: target.clientId, error }
  }
}

/**
 * @throws `tenant_unknown`; `preconsent_no_customer`, `preconsent_stopped`, `preconsent_no_relationship`;
 * `default_app_missing`
 */
export async function targetOf(
  { db, graph }: Pick<PreconsentContext, 'db' | 'graph'>,
  entraTenantId: string,
): Promise<Target> {
  const tenant = await readCandidate(db, entraTenantId)
  if (tenant === null) {
    throw new EntraSyncError('not_found', `No Entra tenant ${entraTenantId} is known.`, {
      code: 'tenant_unknown',
      remedy: 'Import it first: entra-sync customers import.',
      tenant: entraTenantId,
    })
  }
  const { partnerEntraTenantId, kind, state, relationship } = tenant
  const facts = { tenant: entraTenantId }
  if (partnerEntraTenantId === null || kind !== 'customer')
    throw catalogueError('preconsent_no_customer', facts)
  if (['gone', 'offboarded', 'disabled'].includes(state)) throw catalogueError('preconsent_stopped', facts)
  if (!relationship) throw catalogueError('preconsent_no_relationship', facts)
  const clientId = await graph.wantedAppFor(entraTenantId)
  if (clientId === null) throw catalogueError('default_app_missing', facts)
  return { entraTenantId, partnerEntraTenantId, clientId }
}

async function walk(
  context: PreconsentContext,
  row: Preconsent,
  signal: AbortSignal,
  onStep: (step: Step) => void,
): Promise<Proof> {
  const acting = await actFor(context, row)
  let step: Step = row.step === 'waiting' ? 'consenting' : row.step
  const go = async (next: Step): Promise<void> => {
    step = next
    throwIfAborted(signal)
    await advance(context.db, row, next, next !== 'proving')
    onStep(next)
  }
  if (step !== 'consenting') onStep(step)
  if (step === 'consenting') {
    await go('consenting')
    await openNoted(context, acting, { before: row.bootstrapOpen }, signal)
    await go('granting')
  }
  if (step === 'granting') {
    await awaitBootstrap(context, acting, signal)
    const wanted = await rolesToGrant(context, row.partnerEntraTenantId, row.clientId, signal)
    await grantRoles(context, acting, wanted, signal)
    await go('cleaning')
  }
  if (step === 'cleaning') {
    await closeBootstrap(acting, { wasThere: true }, signal)
    await bootstrapGone(context, row)
    await go('proving')
  }
  return prove(context, acting, signal)
}

async function prove(context: PreconsentContext, acting: Acting, signal: AbortSignal): Promise<Proof> {
  const { entraTenantId, clientId, signIn } = acting
  const proof = await proveConsent(context, entraTenantId, {
    clientId,
    method: 'pre_consent',
    grantedBy: signIn.userName,
    expectSoon: true,
    signal,
  })
  if (proof.error !== undefined) throw proof.error
  if (proof.status !== 'granted' && proof.status !== 'waiting_for_roles') {
    const what = `all was granted, and ${proof.missingRoles.join(', ')} is missing all the same`
    throw catalogueError('permissions_missing', { tenant: entraTenantId, clientId, what })
  }
  await advance(context.db, acting, 'done', false)
  return proof
}

/** Ends it as failed; what was granted only for it is taken back at once, or a problem says that it is left. */
async function giveUp(context: PreconsentContext, row: Preconsent, signal: AbortSignal): Promise<void> {
  const now = await readPreconsent(context.db, row)
  const open = now?.bootstrapOpen ?? false
  await advance(context.db, row, 'failed', open)
  if (open) await tryCloseBootstrap(context, row, { wasThere: now?.step === 'cleaning' }, signal)
}
