import { html } from 'hono/html'
import packageJson from '../../../package.json' with { type: 'json' }
import type { SignedIn } from '../sessions.ts'
import type { Flash } from './flashes.ts'
import { nothing, type Markup } from './parts.ts'
import { stylesheetUrl } from './stylesheet.ts'

export interface Page {
  title: string
  /** Path of the entry in the navigation that the page belongs to. */
  here: string
  signedIn: SignedIn
  flash: Flash | null
}

const entries = [
  ['/', 'Overview'],
  ['/customers', 'Customers'],
  ['/preconsent', 'Pre-consent'],
  ['/tenants', 'Tenants'],
  ['/deployments', 'Deployments'],
  ['/persons', 'Persons'],
  ['/computers', 'Computers'],
  ['/problems', 'Problems'],
  ['/holds', 'Holds'],
  ['/audit', 'Audit log'],
  ['/queues', 'Queues'],
] as const

/** A whole page of the console around its contents. */
export function shell({ title, here, signedIn, flash }: Page, body: Markup): Markup {
  const entry = ([path, text]: (typeof entries)[number]) =>
    html`<li><a href="${path}" ${path === here ? html`aria-current="page"` : nothing}>${text}</a></li>`
  return document(
    title,
    html`
      <a class="skip" href="#main">To the contents</a>
      <header class="bar">
        <div>
          <a class="brand" href="/">entra-sync</a>
          <nav aria-label="Main">
            <ul>
              ${entries.map(entry)}
            </ul>
          </nav>
          <div class="who">
            <span>${signedIn.name}</span>
            <form class="inline" method="post" action="/sign-out">
              <button class="small">Sign out</button>
            </form>
          </div>
        </div>
      </header>
      <main id="main">${flash === null ? nothing : flashed(flash)} ${body}</main>
      <footer>
        entra-sync ${packageJson.version} · <a href="/api/openapi.json">API</a> ·
        <a href="/readyz">Readiness</a>
      </footer>
    `,
  )
}

/** The frame that all pages have, signed in or not. */
export function document(title: string, body: Markup): Markup {
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <link rel="icon" href="data:," />
        <link rel="stylesheet" href="${stylesheetUrl}" />
        <title>${title} – entra-sync</title>
      </head>
      <body>
        ${body}
      </body>
    </html>`
}

function flashed({ tone, text, more = [], copy }: Flash): Markup {
  return html`<div class="flash ${tone}" role="${tone === 'bad' ? 'alert' : 'status'}">
    <p><strong>${text}</strong></p>
    ${more.map((line) => html`<p>${line}</p>`)}
    ${
      copy === undefined
        ? nothing
        : html`<label for="copy">${copy.label}</label> <input id="copy" readonly value="${copy.text}" />`
    }
  </div>`
}
