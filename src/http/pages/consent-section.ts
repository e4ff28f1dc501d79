import { html } from 'hono/html'
import type { ConsentMethod, ConsentStatusView } from '../../db/tables.ts'
import type { Status } from '../../db/status.ts'
import type { LevelView } from '../acts/permission-level.ts'
import { act, facts, nothing, when, type Content, type Markup } from './parts.ts'
import { consentOf } from './words.ts'

const methods: Record<ConsentMethod, string> = {
  admin_consent: "an admin's consent",
  pre_consent: 'pre-consent',
  check_now: "an operator's check",
  found: 'found by a scheduled proof',
}

/** What is known of the consent to the app that the permission level says. */
export function consentSection({
  consent,
  level,
  status,
  operator,
}: {
  consent: ConsentStatusView | null
  level: LevelView
  status: Status
  operator: boolean
}): Markup {
  const app = level.wantedClientId
  const missing = consent?.missing_roles ?? []
  const optional = consent?.missing_optional_roles ?? []
  const rows: [string, Content][] = [
    ['Status', consentOf(status.consent)],
    ['App', app === null ? 'none: no Default app is configured' : html`<code>${app}</code>`],
    ['Granted', consent?.granted_at ? when(consent.granted_at) : 'not known'],
    ['Granted by', consent?.granted_by ?? 'not known'],
    ['Came by', consent?.method ? methods[consent.method] : 'not known'],
    ['Proved', when(consent?.proved_at ?? null)],
  ]
  return html`<section aria-labelledby="consent">
    <h2 id="consent">Consent</h2>
    ${facts(rows)} ${operator ? acts(status) : nothing}
    ${
      consent?.other_app_id && consent.consent === 'other_app'
        ? html`<p class="hint">
            Meanwhile it is read with the app <code>${consent.other_app_id}</code>, to which its admin has
            consented.
          </p>`
        : nothing
    }
    ${roleList('Missing permissions', missing)}
    ${roleList('Optional permissions that are not granted', optional)}
  </section>`
}

function acts({ entra_tenant_id: id, consent, state }: Status): Markup {
  if (state === 'gone' || state === 'offboarded') return nothing
  const given = consent !== null && consent !== 'required'
  const needed = state === 'consent_required'
  return html`<div class="acts above">
    ${act(`/entra-tenants/${id}/consent-url`, given ? 'Reconsent link' : 'Consent link', { kind: needed ? 'main' : '' })}
    ${act(`/entra-tenants/${id}/consent-check`, 'Check now')}
  </div>`
}

function roleList(title: string, roles: string[]): Markup {
  if (roles.length === 0) return nothing
  return html`<h3>${title}</h3>
    <ul>
      ${roles.map((role) => html`<li><code>${role}</code></li>`)}
    </ul>`
}
