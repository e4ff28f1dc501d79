import { types } from '../precedence.ts'
import type { Candidate } from './read.ts'
import type { Subject } from './subject.ts'

/** The rule of precedence by which one deployment beats another, in their order (design rule 8.9). */
export type Rule = 'scope' | 'nearer_tenant' | 'target_type' | 'rank' | 'desired_state' | 'newer' | 'id'

/** What becomes of one deployment for one subject, and why. */
export type Verdict =
  | { is: 'wins' }
  | { is: 'loses'; to: string; rule: Rule }
  /** It reaches the subject, but something in it leaves the subject out. */
  | { is: 'left_out'; by: 'exclude' | 'filter'; filter: string | null }
  | { is: 'not_reached' }
  | { is: 'not_for_tenant'; why: 'disabled' | 'tenant_excluded' | 'other_tenant' | 'other_subject' }
  /** Its group is gone, so it keeps what it has and gives nothing new. */
  | { is: 'kept_others' }

export type Judged = Candidate & { verdict: Verdict }

/** Says of each deployment what becomes of it. The winners are the resolver's: the smallest precedence of each item. */
export function judge(
  subject: Pick<Subject, 'tenantId'>,
  candidates: readonly Candidate[],
  standing: ReadonlyMap<string, string>,
): Judged[] {
  const winners = new Map<string, Candidate>()
  for (const one of candidates) {
    if (!takesPart(one, standing)) continue
    const best = winners.get(one.itemId)
    if (best === undefined || (one.precedence ?? 0) < (best.precedence ?? 0)) winners.set(one.itemId, one)
  }
  return candidates.map((one) => ({
    ...one,
    verdict: verdictOf(subject, one, winners.get(one.itemId), standing),
  }))
}

function takesPart(one: Candidate, standing: ReadonlyMap<string, string>): boolean {
  if (one.precedence === null) return false
  if (one.kept) return standing.get(one.itemId) === one.deploymentId
  return one.reached && one.barred === null && !one.excluded
}

function verdictOf(
  subject: Pick<Subject, 'tenantId'>,
  one: Candidate,
  winner: Candidate | undefined,
  standing: ReadonlyMap<string, string>,
): Verdict {
  if (one.precedence === null) return { is: 'not_for_tenant', why: whyNotForTenant(one, subject) }
  if (takesPart(one, standing)) {
    if (winner === undefined || winner.deploymentId === one.deploymentId) return { is: 'wins' }
    return { is: 'loses', to: winner.name, rule: ruleBetween(winner, one) }
  }
  if (one.kept) return { is: 'kept_others' }
  if (!one.reached) return { is: 'not_reached' }
  if (one.barred !== null) return { is: 'left_out', by: 'filter', filter: one.barred }
  return { is: 'left_out', by: 'exclude', filter: null }
}

function whyNotForTenant(
  one: Candidate,
  subject: Pick<Subject, 'tenantId'>,
): Extract<Verdict, { is: 'not_for_tenant' }>['why'] {
  if (!one.enabled) return 'disabled'
  if (one.scope === 'individual') return 'other_subject'
  if (one.scope === 'cross_tenant' && subject.tenantId !== null) return 'tenant_excluded'
  return 'other_tenant'
}

/** The first rule in which two deployments differ: the one that decided between them. */
export function ruleBetween(winner: Candidate, loser: Candidate): Rule {
  if (winner.scope !== loser.scope) return 'scope'
  if (winner.distance !== loser.distance) return 'nearer_tenant'
  if (types[winner.targetType] !== types[loser.targetType]) return 'target_type'
  if (winner.rank !== loser.rank) return 'rank'
  if (winner.desiredState !== loser.desiredState) return 'desired_state'
  if (winner.createdAt.getTime() !== loser.createdAt.getTime()) return 'newer'
  return 'id'
}
