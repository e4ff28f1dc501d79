import { html } from 'hono/html'
import type { StoredCredential } from '../../consent/apps/permission-level.ts'
import type { Permission, PermissionNeed } from '../../permissions.ts'
import type { LevelView } from '../acts/permission-level.ts'
import { act, day, nothing, number, pill, table, type Column, type Markup } from './parts.ts'

interface LevelProps {
  entraTenantId: string
  level: LevelView
  operator: boolean
}

/** With which app an Entra tenant is read, what that app's registration needs, and the form that sets it. */
export function levelSection({ entraTenantId, level, operator }: LevelProps): Markup {
  const path = `/entra-tenants/${entraTenantId}`
  const partner = level.partnerEntraTenantId
  const custom = level.level === 'custom'
  return html`<section aria-labelledby="level">
    <h2 id="level">Permission level ${pill(custom ? 'good' : 'mute', custom ? 'Custom' : 'Default')}</h2>
    <p>
      ${custom ? 'Read with an app registration of its own.' : 'Read with the Default app of the configuration.'}
      ${
        partner === null
          ? nothing
          : html`A customer follows <a href="/entra-tenants/${partner}#level">its partner's level</a>.`
      }
      ${level.customers === 0 ? nothing : `${number(level.customers)} customers follow.`}
    </p>
    <div class="halves">
      <div>
        ${custom ? credentials(level.credentials, path, operator && partner === null) : nothing}
        ${redirectUri(level)} ${operator && partner === null ? forms(level, path) : nothing}
      </div>
      <div>${permissionTable(level)}</div>
    </div>
  </section>`
}

function credentials(list: StoredCredential[], path: string, removable: boolean): Markup {
  const columns: Column<StoredCredential>[] = [
    {
      title: 'Credential',
      heading: true,
      value: ({ kind, credentialId, thumbprint }) =>
        html`${kind} <span class="note code">${thumbprint ?? credentialId}</span>`,
    },
    { title: 'Added', value: ({ addedAt }) => day(addedAt) },
    { title: 'Expires', value: ends },
    { title: 'Registered', value: registered },
  ]
  if (removable) {
    columns.push({
      title: 'Act',
      value: ({ credentialId, kind, addedAt }) =>
        act(`${path}/credentials/${credentialId}/remove`, 'Remove', {
          kind: 'small danger',
          label: `Remove the ${kind} added on ${addedAt.toISOString().slice(0, 10)}`,
        }),
    })
  }
  return table('Credentials of the app', columns, list, 'It has no credential.')
}

function registered({ registered: known }: StoredCredential): Markup {
  if (known === null) return html`<span class="hint">not known</span>`
  return known ? pill('good', 'yes') : pill('bad', 'no')
}

const warnMs = 30 * 86_400_000

function ends({ expiresAt }: StoredCredential): Markup {
  if (expiresAt === null) return day(null)
  const left = expiresAt.getTime() - Date.now()
  if (left <= 0) return html`${day(expiresAt)} ${pill('bad', 'ended')}`
  return left < warnMs ? html`${day(expiresAt)} ${pill('warn', 'soon')}` : day(expiresAt)
}

function forms({ level, clientId }: LevelView, path: string): Markup {
  return html`<details>
      <summary>${level === 'custom' ? 'Add a credential, or take another app' : 'Set to Custom'}</summary>
      <form method="post" action="${path}/permission-level" enctype="multipart/form-data">
        <input type="hidden" name="level" value="custom" />
        <label
          >Application (client) ID
          <input
            name="clientId"
            value="${clientId ?? ''}"
            required
            spellcheck="false"
            autocomplete="off"
            pattern="\\s*[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\\s*"
            title="an id as 11111111-2222-3333-4444-555555555555"
          />
        </label>
        <fieldset>
          <legend>Client secret</legend>
          <label
            >Value <span class="hint">not the secret's ID</span>
            <input name="secret" type="password" autocomplete="off" maxlength="1000" />
          </label>
          <label
            >Expires <span class="hint">you are warned 60 days before, and again</span>
            <input name="expires" type="date" />
          </label>
        </fieldset>
        <fieldset>
          <legend>or a certificate</legend>
          <label
            >PEM file <span class="hint">private key and certificate</span>
            <input name="certificateFile" type="file" accept=".pem,.txt" />
          </label>
          <label
            >or its text
            <textarea name="certificate" rows="3" spellcheck="false" maxlength="100000"></textarea>
          </label>
        </fieldset>
        <p class="hint">
          A credential is stored encrypted and never shown again. Others stay beside it, so that a secret is
          changed without a new consent. With another app than now, an admin has to consent again.
        </p>
        <button class="main">Save</button>
      </form>
    </details>
    ${
      level === 'custom'
        ? html`<div class="acts">
            ${act(`${path}/app-check`, 'Check the registration')}
            ${act(`${path}/permission-level`, 'Back to Default', { fields: { level: 'default' } })}
          </div>`
        : nothing
    }`
}

const needs: Record<PermissionNeed, Markup> = {
  required: pill('good', 'required'),
  instead: pill('mute', 'instead of these'),
  partner: pill('warn', 'partner only'),
  optional: pill('mute', 'optional'),
}

const permissionColumns: Column<Permission>[] = [
  {
    title: 'Application permission',
    heading: true,
    value: ({ name, or }) =>
      html`<code>${name}</code>${or === undefined ? nothing : html` <span class="note">or ${or}</span>`}`,
  },
  { title: 'Need', value: ({ need }) => needs[need] },
  { title: 'For', value: ({ purpose }) => purpose },
]

function redirectUri({ redirectUri }: LevelView): Markup {
  return html`<h3>Redirect URI</h3>
    <label
      >Of the app registration, platform Web
      <span class="hint">exactly this, or consent ends in AADSTS50011</span>
      <input class="code" readonly value="${redirectUri}" />
    </label>`
}

function permissionTable({ permissions }: LevelView): Markup {
  return html`<h3>Permissions of the app registration</h3>
    ${table('Application permissions of Microsoft Graph', permissionColumns, permissions, '')}`
}
