import type { Context } from 'hono'
import { html } from 'hono/html'
import { z } from 'zod'
import type { LinkChange } from '../../consent/links/change.ts'
import { listTenants, type TenantEntry } from '../../consent/links/tenants.ts'
import { EntraSyncError } from '../../errors.ts'
import type { HttpEnv } from '../access.ts'
import { parsed } from '../input.ts'
import { linkNow, unlinkNow } from '../acts/links.ts'
import { idOf, requireOperator, type ConsoleContext } from './console-context.ts'
import { linkPreview } from './link-preview.ts'
import { facts, name, nothing, number, pill, type Markup } from './parts.ts'
import { domainsOf } from './tenants.ts'
import { consentOf, stateOf } from './words.ts'

const domainList = z
  .string()
  .max(10_000)
  .default('')
  .transform((text) => text.split(/[\s,;]+/).filter((domain) => domain !== ''))
const linkForm = z.object({ to: z.string().trim().min(1).max(300), domains: domainList })
const unlinkForm = z.object({ domains: domainList })
/** What the operator has seen in the preview and agrees to. */
const agreed = z.object({ reasons: z.string().max(1000).default('') })

/** `/tenants/:id`: one ImmyBot tenant; linking and unlinking it, after a look at who would move. */
export function addTenantPage({ deps, page, act }: ConsoleContext): void {
  page('/tenants/:id', '/tenants', async (context, operator) => {
    const tenant = await read(context)
    return { title: tenant.name, body: tenantPage(tenant, operator) }
  })

  page('/tenants/:id/link', '/tenants', async (context, operator) => {
    requireOperator(operator)
    const tenant = await read(context)
    const { to, domains } = parsed(linkForm, context.req.query())
    const given = { entraTenant: to, domains, preview: true, confirmed: false }
    const change = await linkNow(deps, tenant.tenantId, given, '', context.req.raw.signal)
    const entra = change.entraTenant ?? change.entraTenantId
    const body = linkPreview(change, {
      title: html`Link ${name(tenant.name)} to ${name(entra)}?`,
      back: `/tenants/${tenant.tenantId}`,
      action: `/tenants/${tenant.tenantId}/link`,
      fields: { to: change.entraTenantId, domains: domains.join(' ') },
      button: 'Link',
    })
    return { title: `Link ${tenant.name}`, body }
  })
  page('/tenants/:id/unlink', '/tenants', async (context, operator) => {
    requireOperator(operator)
    const tenant = await read(context)
    const { domains } = parsed(unlinkForm, context.req.query())
    const change = await unlinkNow(deps, tenant.tenantId, { domains, preview: true, confirmed: false }, '')
    const what = domains.length === 0 ? (tenant.entraTenant ?? 'its Entra tenant') : domains.join(', ')
    const body = linkPreview(change, {
      title: html`Unlink ${name(tenant.name)} from ${name(what)}?`,
      back: `/tenants/${tenant.tenantId}`,
      action: `/tenants/${tenant.tenantId}/unlink`,
      fields: { domains: domains.join(' ') },
      button: 'Unlink',
    })
    return { title: `Unlink ${tenant.name}`, body }
  })

  const back = (context: Context<HttpEnv>): string => `/tenants/${context.req.param('id')}`
  act('/tenants/:id/link', back, async (form, context) => {
    const id = idOf(context)
    const { to, domains } = parsed(linkForm, form)
    const given = { entraTenant: to, domains, preview: false, confirmed: false }
    const { signal } = context.req.raw
    const now = await linkNow(deps, id, { ...given, preview: true }, '', signal)
    const confirmed = isAgreed(now, form)
    const done = await linkNow(deps, id, { ...given, confirmed }, context.get('signedIn').name, signal)
    return { tone: 'good', text: moved('Linked', done), more: done.next === null ? [] : [done.next] }
  })
  act('/tenants/:id/unlink', back, async (form, context) => {
    const id = idOf(context)
    const given = { ...parsed(unlinkForm, form), preview: false, confirmed: false }
    const confirmed = isAgreed(await unlinkNow(deps, id, { ...given, preview: true }, ''), form)
    const done = await unlinkNow(deps, id, { ...given, confirmed }, context.get('signedIn').name)
    return { tone: 'good', text: moved('Unlinked', done) }
  })

  async function read(context: Context<HttpEnv>): Promise<TenantEntry> {
    const id = idOf(context)
    const [tenant] = await listTenants(deps.db, id)
    if (tenant !== undefined) return tenant
    throw new EntraSyncError('input', `There is no tenant ${id}.`, {
      code: 'tenant_unknown',
      remedy: 'The list of tenants shows all of them.',
    })
  }
}

/** True when the reasons there are now were all shown; a new one is to be looked at first. */
function isAgreed({ reasons }: LinkChange, form: unknown): boolean {
  const seen = parsed(agreed, form).reasons.split(' ')
  return reasons.length > 0 && reasons.every((reason) => seen.includes(reason))
}

function moved(word: string, { changed, moves }: LinkChange): string {
  if (!changed) return 'It was like this already.'
  const persons = moves.reduce((all, move) => all + move.persons, 0)
  return persons === 0 ? `${word}.` : `${word}: ${number(persons)} persons moved.`
}

function tenantPage(tenant: TenantEntry, operator: boolean): Markup {
  const { entraTenantId: id, entraTenant, state, isMsp } = tenant
  return html`<h1>${name(tenant.name)} ${isMsp ? pill('mute', 'the MSP') : nothing}</h1>
    <p class="sub">${tenant.slug} · <code>${tenant.tenantId}</code></p>
    <div class="columns">
      <section aria-labelledby="link">
        <h2 id="link">Link</h2>
        ${facts([
          [
            'Entra tenant',
            id === null
              ? pill('warn', 'not linked')
              : html`<a href="/entra-tenants/${id}">${name(entraTenant ?? id)}</a>`,
          ],
          ['Persons of', domainsOf(tenant)],
          ['State', state === null ? '–' : stateOf(state)],
          ['Consent', id === null ? '–' : consentOf(tenant.consent)],
          ['Persons', number(tenant.persons)],
          ['Parent', tenant.parent === null ? '–' : name(tenant.parent)],
          ['Cross-tenant deployments', tenant.inCrossTenantDeployments ? 'takes part' : 'left out'],
        ])}
      </section>
      ${operator ? forms(tenant) : nothing}
    </div>`
}

function forms({ tenantId, entraTenantId, domains }: TenantEntry): Markup {
  return html`<section aria-labelledby="change">
    <h2 id="change">${entraTenantId === null ? 'Link it' : 'Change the link'}</h2>
    <form method="get" action="/tenants/${tenantId}/link">
      <label
        >Entra tenant <span class="hint">its id, or any verified domain</span>
        <input name="to" required maxlength="300" value="${entraTenantId ?? ''}" spellcheck="false" />
      </label>
      <label
        >Only these domains <span class="hint">none: everybody whom no other tenant takes</span>
        <textarea name="domains" rows="2" spellcheck="false">${domains.join('\n')}</textarea>
      </label>
      <button class="main">Preview</button>
    </form>
    ${
      entraTenantId === null
        ? nothing
        : html`<form class="above" method="get" action="/tenants/${tenantId}/unlink">
            ${
              domains.length === 0
                ? nothing
                : html`<label
                    >Domains to take away <span class="hint">none: all of its links</span>
                    <input name="domains" spellcheck="false" />
                  </label>`
            }
            <button class="danger">Unlink …</button>
          </form>`
    }
  </section>`
}
