import { z } from 'zod'
import type { Proof } from '../../consent/grants/prove.ts'
import { requireEntraTenant, requireScheduled } from '../../db/entra-tenant-facts.ts'
import { pauseEntraTenant, resumeEntraTenant } from '../../consent/offboard/pausing.ts'
import { syncNow } from '../../jobs/enqueue.ts'
import { parsed } from '../input.ts'
import { checkConsent, makeConsentLink } from '../acts/consent.ts'
import type { Flash } from './flashes.ts'
import { idOf, type ConsoleContext } from './console-context.ts'

const syncForm = z.object({ mode: z.enum(['delta', 'full']) })

/** What an operator does on the page of one Entra tenant. */
export function addEntraTenantActs({ deps, act }: ConsoleContext): void {
  const { db, jobs } = deps
  const path = '/entra-tenants/:id'
  const back = (context: Parameters<typeof idOf>[0]): string => `/entra-tenants/${context.req.param('id')}`

  act(`${path}/sync`, back, async (form, context) => {
    const entraTenantId = idOf(context)
    const { mode } = parsed(syncForm, form)
    const name = await requireScheduled(db, entraTenantId)
    await syncNow(db, jobs, { entraTenantId, mode, requestedBy: context.get('signedIn').name })
    const text = `A ${mode === 'full' ? 'full read' : 'sync'} of ${name} is asked for.`
    return {
      tone: 'good',
      text,
      more: ['It begins as soon as a worker is free; the last runs below show it.'],
    }
  })
  act(`${path}/pause`, back, async (_form, context) => {
    const entraTenantId = idOf(context)
    const name = await requireEntraTenant(db, entraTenantId)
    await pauseEntraTenant(db, { entraTenantId, actor: context.get('signedIn').name })
    return { tone: 'good', text: `${name} is paused. A sync that runs now ends first.` }
  })
  act(`${path}/resume`, back, async (_form, context) => {
    const entraTenantId = idOf(context)
    const name = await requireEntraTenant(db, entraTenantId)
    const actor = context.get('signedIn').name
    const { reinstated } = await resumeEntraTenant(db, { entraTenantId, actor })
    if (!reinstated) return { tone: 'good', text: `${name} is synced again.` }
    const more = ['Its consent is proved anew; it is synced again where that holds.']
    return { tone: 'good', text: `${name} had been offboarded and is taken back.`, more }
  })

  act(`${path}/consent-url`, back, async (_form, context) => {
    const entraTenantId = idOf(context)
    const name = await requireEntraTenant(db, entraTenantId)
    const link = await makeConsentLink(deps, entraTenantId, context.get('signedIn').name)
    return {
      tone: 'good',
      text: `A consent link for ${name}, good until ${link.expiresAt.toISOString().slice(0, 10)}. It is shown this once: copy it.`,
      copy: { label: 'Send this to an admin of the customer', text: link.url },
      more: [
        'A Privileged Role Administrator or Global Administrator opens it, signs in at Microsoft and accepts.',
        `App ${link.clientId}; its registration must list the redirect URI ${link.redirectUri} (platform Web).`,
      ],
    }
  })
  act(`${path}/consent-check`, back, async (_form, context) => {
    const entraTenantId = idOf(context)
    const name = await requireEntraTenant(db, entraTenantId)
    return toldOfProof(name, await checkConsent(deps, entraTenantId, context.req.raw.signal))
  })
}

function toldOfProof(name: string, { status, missingRoles, error, nextProofAt }: Proof): Flash {
  if (error !== undefined) {
    const more = error.remedy === undefined ? [] : [error.remedy]
    return { tone: 'bad', text: `No verdict for ${name}: ${error.message}`, more }
  }
  const missing = missingRoles.length === 0 ? [] : [`Missing: ${missingRoles.join(', ')}.`]
  switch (status) {
    case 'granted':
      return { tone: 'good', text: `${name} has consented: it was proved just now.` }
    case 'waiting_for_roles':
      return {
        tone: 'good',
        text: `${name} has consented, and permissions are on their way.`,
        more: [...missing, `It is proved again at ${nextProofAt.toISOString()}.`],
      }
    case 'insufficient':
      return { tone: 'bad', text: `${name} has consented to too little.`, more: missing }
    case 'required':
    case 'revoked':
    case null:
      return {
        tone: 'bad',
        text: `${name} has not consented${status === 'revoked' ? ' any more' : ''}.`,
        more: ['Send an admin of it the consent link.'],
      }
  }
}
