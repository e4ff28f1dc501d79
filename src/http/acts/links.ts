import { z } from 'zod'
import { proveConsent } from '../../consent/grants/prove.ts'
import type { LinkChange, Reason } from '../../consent/links/change.ts'
import { findDirectory } from '../../consent/links/directory.ts'
import { linkTenant } from '../../consent/links/link.ts'
import { unlinkTenant } from '../../consent/links/unlink.ts'
import { describeError, EntraSyncError, isEntraSyncError } from '../../errors.ts'
import { syncNow } from '../../jobs/enqueue.ts'
import type { ConsoleDeps } from '../console-deps.ts'

/** What wants an operator's confirmation, in words. */
export const reasonWords: Record<Reason, string> = {
  protected_persons: 'Persons who can log in to ImmyBot would move.',
  partner_people: "People of the partner's own Entra tenant would move.",
  left_without_tenant: 'Persons would be left without a tenant, and so without software.',
  takes_default_link: "The Entra tenant's default link is another tenant's.",
  takes_domain: "A domain is another tenant's.",
  leaves_entra_tenant: 'The tenant is linked to another Entra tenant, which it would leave.',
  replaces_parent: 'The tenant has another parent, which would be replaced.',
  domain_not_verified: 'The Entra tenant has no such verified domain.',
  msp_link: "It is the link of the MSP's own tenant.",
}

const domains = z
  .array(z.string().max(300))
  .max(100)
  .default([])
  .meta({ description: 'only users of these UPN suffixes; none = all that no other tenant takes' })
const preview = z.boolean().default(false).meta({ description: 'only tell what would be done' })
const confirmed = z
  .boolean()
  .default(false)
  .meta({ description: 'do it though it wants a confirmation: what a preview gives as reasons' })

export const linkInput = z.strictObject({
  entraTenant: z.string().min(1).max(300).meta({ description: 'an Entra tenant id or a verified domain' }),
  domains,
  preview,
  confirmed,
})
export const unlinkInput = z.strictObject({ domains, preview, confirmed })

export interface Linked extends LinkChange {
  /** Name of the Entra tenant where it could be read. */
  entraTenant: string | null
  /** What comes next, in words; null = nothing, or nothing was linked. */
  next: string | null
}

/**
 * Links a tenant to the Entra tenant behind an id or a domain, and asks for the first sync where consent is there.
 * @throws as `findDirectory` and `linkTenant`; kind `input`, code `needs_confirmation`
 */
export async function linkNow(
  deps: ConsoleDeps,
  tenantId: string,
  given: z.output<typeof linkInput>,
  actor: string,
  signal: AbortSignal,
): Promise<Linked> {
  const { db, graph } = deps
  const { unread: _, ...directory } = await findDirectory(
    { tenantIdOf: (text) => graph.tenantIdOf(text, { signal }), graphFor: graph.forTenant, signal },
    given.entraTenant,
  )
  const change = await linkTenant(db, { tenantId, directory, domains: given.domains, actor }, given)
  if (!given.preview && !change.applied) throw unconfirmed(change)
  const next = change.applied ? await begin(deps, change.entraTenantId, signal) : null
  return { ...change, entraTenant: directory.displayName ?? directory.defaultDomain, next }
}

/** Takes links of a tenant away. @throws as `unlinkTenant`; kind `input`, code `needs_confirmation` */
export async function unlinkNow(
  { db }: ConsoleDeps,
  tenantId: string,
  given: z.output<typeof unlinkInput>,
  actor: string,
): Promise<LinkChange> {
  const change = await unlinkTenant(db, { tenantId, domains: given.domains, actor }, given)
  if (!given.preview && !change.applied) throw unconfirmed(change)
  return change
}

function unconfirmed({ reasons, entraTenantId }: LinkChange): EntraSyncError {
  return new EntraSyncError('input', reasons.map((reason) => reasonWords[reason]).join(' '), {
    code: 'needs_confirmation',
    remedy: 'Look at a preview of it, then confirm it.',
    tenant: entraTenantId,
  })
}

/** Nothing here undoes the link: what fails is told, and the daemon tries again by itself. */
async function begin(
  { db, graph, jobs, log }: ConsoleDeps,
  entraTenantId: string,
  signal: AbortSignal,
): Promise<string> {
  try {
    const proof = await proveConsent({ db, graph, log }, entraTenantId, { method: 'check_now', signal })
    if (proof.error !== undefined) return `Consent could not be proved: ${describeError(proof.error)}`
    if (proof.status !== 'granted') return 'Consent is not there yet: send its admin the consent link.'
    await syncNow(db, jobs, { entraTenantId, requestedBy: 'link' })
    return 'Consent is there, and its first sync is asked for.'
  } catch (error) {
    if (!isEntraSyncError(error)) throw error
    return `It is not synced yet: ${describeError(error)}`
  }
}
