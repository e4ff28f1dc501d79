import type { Context } from 'hono'
import { html } from 'hono/html'
import type { HttpEnv } from '../access.ts'
import { nothing } from './parts.ts'
import { shell } from './shell.ts'

/** What did not work, and what to do next. */
export interface Refusal {
  /** Stable, lower snake case. */
  error: string
  message: string
  remedy?: string | undefined
}

/** The answer to a person in the console, who is signed in. */
export function failurePage(
  context: Context<HttpEnv>,
  { message, remedy }: Refusal,
  status: 400 | 403 | 404 | 409 | 500 | 503,
): Response | Promise<Response> {
  const body = html`<section class="narrow" role="alert">
    <h1>This did not work</h1>
    <p>${message}</p>
    ${remedy === undefined ? nothing : html`<p>${remedy}</p>`}
    <p><a href="/">To the overview</a></p>
  </section>`
  const page = { title: 'Error', here: '', signedIn: context.get('signedIn'), flash: null }
  return context.html(shell(page, body), status)
}

/** The answer to whoever asked: a page for a person's browser, else JSON. */
export function failureAnswer(
  context: Context<HttpEnv>,
  refusal: Refusal,
  status: 400 | 403 | 404 | 409 | 500 | 503,
): Response | Promise<Response> {
  const { signedIn } = context.var as Partial<HttpEnv['Variables']>
  const browser = (context.req.header('accept') ?? '').includes('text/html')
  const program = /^\/(api|queues)(\/|$)/.test(context.req.path)
  if (signedIn !== undefined && browser && !program) return failurePage(context, refusal, status)
  return context.json({ remedy: null, ...refusal }, status)
}
