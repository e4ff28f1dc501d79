import type { Facts, TargetFact } from './facts.ts'

/** The view computer_targets: by computer and item, the deployment that wins and whose target it is. */
export function computerWinners(facts: Facts): Map<string, string> {
  const winners = new Map<string, string>()
  for (const computer of facts.computers) {
    const user = primaryUser(facts, computer)
    const items = new Set(facts.standing.map((target) => target.item_id))
    for (const item of items) {
      const targetOf = (subject: string | null): TargetFact | undefined =>
        facts.standing.find((target) => target.item_id === item && target.subject_id === subject)
      const own = targetOf(computer.computer_id)
      const users = targetOf(user)
      const winner =
        own === undefined ? users : users === undefined || width(own) <= width(users) ? own : users
      if (winner !== undefined)
        winners.set(`${computer.computer_id} ${item}`, `${winner.deployment_id} of ${winner.subject_id}`)
    }
  }
  return winners
}

const width = ({ scope }: TargetFact): number =>
  ['individual', 'single_tenant', 'cross_tenant'].indexOf(scope)

/** The live person of that name in the computer's own family; a synced one rather than a hand-made one, then the oldest. */
function primaryUser(facts: Facts, computer: Facts['computers'][number]): string | null {
  const entra = facts.links.find((link) => link.tenant_id === computer.tenant_id)?.entra_tenant_id
  const name = computer.primary_user_principal_name?.toLowerCase()
  const found = facts.persons.filter(
    (person) =>
      person.entra_tenant_id === entra &&
      person.deleted_at === null &&
      person.tenant_id !== null &&
      name !== undefined &&
      person.user_principal_name?.toLowerCase() === name,
  )
  found.sort(
    (a, b) =>
      Number(a.object_id === null) - Number(b.object_id === null) ||
      a.first_seen_at.getTime() - b.first_seen_at.getTime() ||
      (a.person_id < b.person_id ? -1 : 1),
  )
  return found[0]?.person_id ?? null
}
