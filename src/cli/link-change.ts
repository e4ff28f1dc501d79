import type { LinkChange, Reason } from '../consent/links/change.ts'
import type { Output } from './context.ts'
import { number, printable } from './text.ts'

const words: Record<Reason, string> = {
  protected_persons: 'persons who can log in to ImmyBot would move',
  partner_people: "people of the partner's own Entra tenant would move",
  left_without_tenant: 'persons would be left without a tenant, and so without software',
  takes_default_link: "the Entra tenant's default link is another tenant's",
  takes_domain: "a domain is another tenant's",
  leaves_entra_tenant: 'the tenant is linked to another Entra tenant, which it would leave',
  replaces_parent: 'the tenant has another parent, which would be replaced',
  domain_not_verified: 'the Entra tenant has no such verified domain',
  msp_link: "it is the link of the MSP's own tenant",
}

/** Prints what a change of links did or would do. Returns the exit code: 2 when it wants a confirmation. */
export function printLinkChange(
  output: Output,
  { applied, reasons, moves, parents }: LinkChange,
  { done, preview }: { done: string; preview: boolean },
): number {
  if (applied) output.line(done)
  else output.line(preview ? 'Nothing is changed; this would be done:' : 'Nothing was changed.')
  const verb = applied ? 'moved' : 'would move'
  for (const { fromTenant, toTenant, persons, samples, protectedPersons, partnerPersons } of moves) {
    const from = fromTenant === null ? 'no tenant' : printable(fromTenant)
    const to = toTenant === null ? 'no tenant' : printable(toTenant)
    const some = `${samples.map(printable).join(', ')}${persons > samples.length ? ', …' : ''}`
    output.line(
      `  ${number(persons)} ${persons === 1 ? 'person' : 'persons'} ${verb} from ${from} to ${to}: ${some}`,
    )
    if (protectedPersons.length > 0)
      output.line(`    who can log in to ImmyBot: ${protectedPersons.map(printable).join(', ')}`)
    if (fromTenant !== null && partnerPersons.length > 0)
      output.line(`    of the partner's own people: ${partnerPersons.map(printable).join(', ')}`)
  }
  for (const { tenant, fromParent, toParent } of parents) {
    const to = toParent === null ? 'has no parent' : `is a child of ${printable(toParent)}`
    const was = fromParent === null ? '' : ` (was of ${printable(fromParent)})`
    output.line(
      `  ${printable(tenant)} ${applied ? to : to.replace(/^is/, 'would be').replace(/^has/, 'would have')}${was}`,
    )
  }
  if (applied) return 0
  if (reasons.length === 0) return 0
  output.line('It wants --yes:')
  for (const reason of reasons) output.line(`  - ${words[reason]}`)
  return preview ? 0 : 2
}
