import { html, raw } from 'hono/html'
import type { HtmlEscapedString } from 'hono/utils/html'

/** Escaped HTML, as `html` of hono makes it: what is put into it as text can't become markup. */
export type Markup = HtmlEscapedString | Promise<HtmlEscapedString>

/** A small page that needs no sign-in: one card in the middle. `nonce` is the answer's, for its one style element. */
export function page(nonce: string, title: string, content: Markup): Markup {
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="robots" content="noindex" />
        <link rel="icon" href="data:," />
        <title>${title} – entra-sync</title>
        <style nonce="${nonce}">
          ${raw(styles)}
        </style>
      </head>
      <body>
        <main>${content}</main>
      </body>
    </html>`
}

const styles = `
:root { color-scheme: light dark; --ink: #1d2733; --soft: #52606d; --paper: #eef2f6; --card: #fff; --line: #7b8794;
  --accent: #0b5cad; --on-accent: #fff; --good: #17693a; --wait: #7a4b00; --bad: #a4161a; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6ebf0; --soft: #9dabb8; --paper: #10161c; --card: #182129; --line: #5c6b79;
    --accent: #6cb1f5; --on-accent: #08131d; --good: #7fd6a0; --wait: #f3c46b; --bad: #ff9c9c; }
}
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 0; padding: 0 1rem; }
main { max-width: 34rem; margin: 12vh auto 2rem; padding: 2rem; background: var(--card); border-radius: 8px;
  box-sizing: border-box; border-top: 4px solid var(--accent); overflow-wrap: anywhere; }
main:has(.good) { border-color: var(--good); }
main:has(.wait) { border-color: var(--wait); }
main:has(.bad) { border-color: var(--bad); }
main:has(form) { max-width: 22rem; }
h1 { font-size: 1.3rem; margin: 0 0 1rem; line-height: 1.3; }
h1.good { color: var(--good); }
h1.wait { color: var(--wait); }
h1.bad { color: var(--bad); }
p, ul { margin: 0 0 1rem; }
li { margin: 0.25rem 0; }
code { font-size: 0.9em; }
form + .hint { margin-top: 1rem; }
label { display: block; font-weight: 600; }
input { box-sizing: border-box; width: 100%; font: inherit; padding: 0.5rem; margin: 0.25rem 0 1rem;
  border: 1px solid var(--line); border-radius: 4px; }
button { font: inherit; padding: 0.5rem 1.25rem; border: 0; border-radius: 4px; background: var(--accent);
  color: var(--on-accent); cursor: pointer; }
[role='alert'] { color: var(--bad); }
.hint { color: var(--soft); font-size: 0.875rem; }
main > :last-child { margin-bottom: 0; }
`
