import { html } from 'hono/html'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import type { Proof } from '../../consent/grants/prove.ts'
import { entryOfAadsts } from '../../error-catalogue/catalogue.ts'
import { permissions } from '../../permissions.ts'
import type { Markup } from '../page.ts'

/** A page for a customer's admin, who knows nothing of us: what happened, and what they do next. */
export interface Told {
  title: string
  content: Markup
  status: ContentfulStatusCode
  /** Counts against the address that it came from. */
  failed?: true
}

type Tone = 'good' | 'wait' | 'bad'

function told(tone: Tone, title: string, content: Markup, status: ContentfulStatusCode = 200): Told {
  return {
    title,
    status,
    content: html`<h1 class="${tone}">${title}</h1>
      ${content}`,
  }
}

const again = html`<p>
  Open the link that you were sent once more and follow it to its end in one browser, within ten minutes.
</p>`
const nothingDone = html`<p class="hint">Nothing of this answer was kept.</p>`
const close = html`<p class="hint">You can close this page.</p>`

/** A directory's name comes from whoever runs it: isolated, so that it can't turn the direction of our words. */
const named = (tenantName: string): Markup => html`<strong><bdi>${tenantName}</bdi></strong>`

export const pages = {
  linkOver: failed(
    told(
      'bad',
      'This link is no longer good',
      html`<p>
          Links for consent are good for seven days, and end earlier when something about the request has
          changed.
        </p>
        <p>Ask your IT service provider to send you a new one.</p>`,
      410,
    ),
  ),
  unreadable: failed(
    told(
      'bad',
      'This answer can’t be read',
      html`<p>What came from Microsoft is not what was expected.</p>
        ${again}${nothingDone}`,
      400,
    ),
  ),
  unknown: failed(
    told(
      'bad',
      'This answer belongs to no request',
      html`<p>It is not known here, or it is over since long.</p>
        ${again}${nothingDone}`,
      400,
    ),
  ),
  other_browser: failed(
    told(
      'bad',
      'This was begun in another browser',
      html`<p>For your safety the answer is only taken in the browser in which the link was opened.</p>
        ${again}${nothingDone}`,
      400,
    ),
  ),
  expired: told(
    'bad',
    'This took too long',
    html`<p>More than ten minutes have passed since the link was opened.</p>
      ${again}`,
    410,
  ),
  used: told(
    'wait',
    'This answer was used already',
    html`<p>Each answer counts once. If you have reloaded the page, there is nothing more to do.</p>
      <p>If consent has not worked the first time, open the link that you were sent once more.</p>`,
    410,
  ),
  offboarded: told(
    'bad',
    'This organization is no longer managed here',
    html`<p>Nothing was granted. Ask your IT service provider.</p>`,
    410,
  ),
  trouble: told(
    'bad',
    'Something went wrong on our side',
    html`<p>Wait a few minutes, then open the link that you were sent once more.</p>`,
    503,
  ),

  /** The admin said no; at Microsoft's page that is an error, too. */
  declined: (tenantName: string): Told =>
    told(
      'wait',
      'Consent was declined',
      html`<p>Consent for ${named(tenantName)} was not given.</p>
        <p>If that was a mistake, open the link that you were sent once more.</p>
        ${close}`,
    ),

  /** `aadsts`: Microsoft's number where one came; its text is whatever stands in the address, and is not shown. */
  refused(tenantName: string, aadsts: number | null): Told {
    const known = aadsts === null ? undefined : entryOfAadsts(aadsts)
    return told(
      'bad',
      'Microsoft could not take the consent',
      html`<p>
          Consent for ${named(tenantName)} was not given${known === undefined ? '' : `: ${known.what}`}.
        </p>
        <p>
          It takes an account with the role Privileged Role Administrator or Global Administrator. If yours
          has one of them, tell your IT service provider what you see here.
        </p>
        ${aadsts === null ? '' : html`<p class="hint">Microsoft’s code: AADSTS${aadsts}</p>`}`,
    )
  },

  wrongTenant: (tenantName: string): Told =>
    told(
      'bad',
      'This was another organization',
      html`<p>
          Consent was asked of ${named(tenantName)}, and somebody of another organization has answered.
        </p>
        <p>
          Open the link once more, best in a private window, and sign in with an administrator of
          ${named(tenantName)}.
        </p>
        <p class="hint">
          Nothing was kept here. Whoever accepted for the other organization can remove the app there again,
          among the enterprise applications.
        </p>`,
      403,
    ),

  /** null = it could not be proved in time. */
  proved(tenantName: string, proof: Proof | null): Told {
    if (proof === null || proof.error !== undefined) return unproved(tenantName)
    if (proof.status === 'granted') {
      return told(
        'good',
        'Consent is given',
        html`<p>
            The directory of ${named(tenantName)} can be read now. Thank you, there is nothing more to do.
          </p>
          ${close}`,
      )
    }
    if (proof.status === 'waiting_for_roles') {
      return told(
        'wait',
        'Almost there',
        html`<p>
            Microsoft has taken your answer for ${named(tenantName)}. Until the permissions have reached all
            of its servers a few minutes may pass; it is checked again by itself.
          </p>
          <p>There is nothing more to do.</p>
          ${close}`,
      )
    }
    return told(
      'bad',
      proof.status === 'insufficient' ? 'Some permissions are missing' : 'Consent has not been given',
      html`<p>In ${named(tenantName)} these permissions are missing:</p>
        <ul>
          ${proof.missingRoles.map((name) => html`<li><code>${name}</code>: ${purposeOf(name)}</li>`)}
        </ul>
        <p>
          Open the link that you were sent once more and accept all that is asked for. If they are still
          missing then, tell your IT service provider.
        </p>`,
    )
  },
}

function unproved(tenantName: string): Told {
  return told(
    'wait',
    'Thank you',
    html`<p>
        Whether ${named(tenantName)} can be read could not be checked just now. It is checked again by itself.
      </p>
      <p>There is nothing more for you to do.</p>
      ${close}`,
  )
}

function failed(page: Told): Told {
  return { ...page, failed: true }
}

function purposeOf(name: string): string {
  return permissions.find((permission) => permission.name === name)?.purpose ?? 'needed to read the directory'
}
