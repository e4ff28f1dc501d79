import { sql, type Kysely } from 'kysely'
import { closeProblems, openProblem, type ProblemFacts } from '../../db/problems.ts'
import type { ConsentStatus, Database } from '../../db/tables.ts'
import { entryOfCode } from '../../error-catalogue/catalogue.ts'
import type { EntraSyncError } from '../../errors.ts'
import type { Findings } from './probes.ts'
import type { ProofRun } from './proof-run.ts'

/** Of the app that reads the Entra tenant: every read that goes well disproves these, too. */
const reading = 'access'
/** Of the app that the permission level says, while another one reads: only a proof of that app disproves these. */
const notYetReading = 'consent'

/** Faults that pass are told once they have not passed this often. */
const patience = 3

function topicOf({ wanted }: ProofRun, otherGranted: boolean): string | null {
  if (!otherGranted) return reading
  return wanted ? notYetReading : null
}

/** Consent is proved: what said otherwise is over. */
export async function closeAfterGrant(
  db: Kysely<Database>,
  proof: ProofRun,
  otherGranted: boolean,
): Promise<void> {
  const topics = proof.wanted ? [reading, notYetReading, 'organization'] : otherGranted ? [] : [reading]
  if (topics.length > 0) await closeProblems(db, proof.entraTenantId, topics)
}

/**
 * Opens the problem of a consent that is gone or too small, in the place of what a failed run said of the same cause.
 * Consent that nobody has given yet is no fault: the status says it.
 */
export async function openForLoss(
  db: Kysely<Database>,
  proof: ProofRun,
  status: ConsentStatus,
  findings: Findings,
  otherGranted: boolean,
): Promise<void> {
  const topic = topicOf(proof, otherGranted)
  if (topic === null || (status !== 'revoked' && status !== 'insufficient')) return
  const { entraTenantId, clientId } = proof
  const code = findings.refusal?.code ?? 'permissions_missing'
  const what =
    status === 'revoked'
      ? `Consent to the app ${clientId} was taken back in this tenant.`
      : `The app ${clientId} lacks permissions in this tenant: ${findings.missing.join(', ')}.`
  const registered =
    status === 'insufficient' ? 'See that the app registration lists these permissions, then send' : 'Send'
  await openOnly(db, entraTenantId, {
    code,
    message: `${what} Nothing is read until it is consented to; what is there stays.`,
    remedy: `${registered} an admin of the tenant a new link: entra-sync consent url ${entraTenantId}`,
    whoActs: 'customer_admin',
    topic,
    requestId: findings.refusal?.requestId,
  })
}

/** Opens the problem of a proof that came to no verdict, unless it is one that passes by itself. */
export async function openForError(
  db: Kysely<Database>,
  proof: ProofRun,
  error: EntraSyncError,
  { otherGranted, failed }: { otherGranted: boolean; failed: number },
): Promise<void> {
  const topic = error.kind === 'wrong_tenant' ? 'organization' : topicOf(proof, otherGranted)
  const passing = ['transient', 'throttled', 'malformed'].includes(error.kind)
  if (topic === null || (passing && failed + 1 < patience)) return
  await openProblem(db, proof.entraTenantId, {
    code: error.code,
    message: error.message,
    remedy: error.remedy ?? 'See the log of the daemon; it is tried again by itself.',
    whoActs: whoActs(error),
    topic,
    requestId: error.requestId,
  })
}

function whoActs({ kind, code }: EntraSyncError): ProblemFacts['whoActs'] {
  if (kind === 'transient' || kind === 'throttled' || kind === 'malformed') return 'microsoft'
  return entryOfCode(code)?.whoActs ?? 'operator'
}

/** One cause, one problem: a run that met it first may have called it by another code. */
async function openOnly(db: Kysely<Database>, entraTenantId: string, problem: ProblemFacts): Promise<void> {
  await sql`
    update entra_sync.problems set closed_at = now()
    where entra_tenant_id = ${entraTenantId} and closed_at is null and topic = ${problem.topic}
      and code <> ${problem.code}`.execute(db)
  await openProblem(db, entraTenantId, problem)
}
