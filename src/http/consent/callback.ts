import type { Context } from 'hono'
import { getCookie } from 'hono/cookie'
import { z } from 'zod'
import { proveConsent, type Proof } from '../../consent/grants/prove.ts'
import { noteOutcome, takeRequest, type ConsentRequest } from '../../consent/grants/requests.ts'
import { audit } from '../../db/audit.ts'
import { isEntraSyncError } from '../../errors.ts'
import { enqueueProof, syncNow } from '../../jobs/enqueue.ts'
import type { HttpEnv } from '../access.ts'
import { consentCookie, type ConsentContext } from './deps.ts'
import { pages, type Told } from './pages.ts'

/** Shorter than what proxies allow an answer to take. */
const defaultPatienceMs = 25_000

/** Each at most once and not endless; what Microsoft may add beside these is not looked at. */
const answerSchema = z.object({
  state: z.string().min(1).max(200),
  tenant: z.guid().toLowerCase().optional(),
  admin_consent: z.string().max(20).optional(),
  error: z.string().max(200).optional(),
  error_description: z.string().max(4000).optional(),
})
type Answer = z.infer<typeof answerSchema>

/**
 * `/consent-callback`: Microsoft's answer. Nothing in the address proves anything: it only says for which state of ours
 * to ask Microsoft. An `error` counts even beside `admin_consent=True`, and another tenant than asked for is refused.
 */
export async function answerCallback(
  context: Context<HttpEnv>,
  deps: ConsentContext,
): Promise<Response | Told> {
  const query = context.req.queries()
  if ((query['code'] ?? query['error']) !== undefined) {
    const partner = await deps.answerPartnerSignIn?.(context)
    if (partner) return partner
  }
  const parsed = readAnswer(query)
  if (parsed === null) return pages.unreadable
  const taken = await takeRequest(deps.db, parsed.state, getCookie(context, consentCookie(deps.secure)))
  if (taken.outcome !== 'taken') return pages[taken.outcome]
  const { action, outcome, detail, told } = await judge(deps, taken.request, parsed)
  const { entraTenantId, clientId, actor } = taken.request
  await deps.db.transaction().execute(async (trx) => {
    await noteOutcome(trx, parsed.state, outcome)
    const by = { actor: `consent link of ${actor}`, entraTenantId }
    await audit(trx, { ...by, action, detail: { clientId, outcome, ...detail } })
  })
  deps.log.info({ entraTenantId, clientId, outcome }, 'an admin came back from Microsoft')
  return told
}

function readAnswer(query: Record<string, string[]>): Answer | null {
  const known = Object.keys(answerSchema.shape).filter((name) => query[name] !== undefined)
  if (known.some((name) => query[name]?.length !== 1)) return null
  return (
    answerSchema.safeParse(Object.fromEntries(known.map((name) => [name, query[name]?.[0]]))).data ?? null
  )
}

interface Judged {
  /** For the audit log. */
  action: 'consent_declined' | 'consent_failed' | 'consent_refused' | 'consent_returned'
  /** A short word, nothing of the query. */
  outcome: string
  detail?: object
  told: Told
}

async function judge(deps: ConsentContext, request: ConsentRequest, answer: Answer): Promise<Judged> {
  const { tenantName, entraTenantId } = request
  if (answer.error !== undefined) return judgeError(tenantName, answer.error, answer.error_description)
  if (answer.tenant !== entraTenantId) {
    return {
      action: 'consent_refused',
      outcome: 'wrong_tenant',
      detail: { expected: entraTenantId, answered: answer.tenant ?? null },
      told: pages.wrongTenant(tenantName),
    }
  }
  const proof = await prove(deps, request, answer.admin_consent?.toLowerCase() === 'true')
  if (proof?.regained === true) await wake(deps, entraTenantId)
  const outcome = proof?.error?.code ?? proof?.status ?? 'unproved'
  return { action: 'consent_returned', outcome, told: pages.proved(tenantName, proof) }
}

const meansDeclined = 65004

function judgeError(tenantName: string, error: string, description = ''): Judged {
  const digits = /AADSTS(\d{4,8})\b/.exec(description)?.[1]
  const aadsts = digits === undefined ? null : Number(digits)
  const cancelled = ['access_denied', 'consent_required', 'permission_denied'].includes(error)
  // A refusal of Microsoft's is called access_denied as well as an admin's no is; then the number tells.
  if (aadsts === meansDeclined || (aadsts === null && cancelled))
    return { action: 'consent_declined', outcome: 'declined', told: pages.declined(tenantName) }
  return {
    action: 'consent_failed',
    outcome: aadsts === null ? 'error' : `AADSTS${aadsts}`,
    told: pages.refused(tenantName, aadsts),
  }
}

/** null = it could not be proved now; it is tried again by itself. */
async function prove(
  { db, graph, jobs, log, patienceMs = defaultPatienceMs }: ConsentContext,
  { entraTenantId, clientId }: ConsentRequest,
  expectSoon: boolean,
): Promise<Proof | null> {
  try {
    return await proveConsent({ db, graph, log }, entraTenantId, {
      clientId,
      method: 'admin_consent',
      expectSoon,
      signal: AbortSignal.timeout(patienceMs),
    })
  } catch (error) {
    if (!isEntraSyncError(error)) throw error
    log.warn({ err: error, entraTenantId }, 'consent was given, and could not be proved yet')
    await enqueueProof(jobs, entraTenantId, 'consent', { expectSoon }).catch((cause: unknown) =>
      log.warn({ err: cause, entraTenantId }, 'the queue did not take the proof; the schedule does it'),
    )
    return null
  }
}

/** The tick would do it seconds later; an admin who looks on should see it start. */
async function wake({ db, jobs, log }: ConsentContext, entraTenantId: string): Promise<void> {
  await syncNow(db, jobs, { entraTenantId, requestedBy: 'consent' }).catch((error: unknown) =>
    log.warn({ err: error, entraTenantId }, 'the queue did not take the first sync; the tick does it'),
  )
}
