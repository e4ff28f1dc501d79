import type { Context } from 'hono'
import { z } from 'zod'
import { EntraSyncError } from '../../errors.ts'
import type { HttpEnv } from '../access.ts'
import type { ConsoleDeps } from '../console-deps.ts'
import { parsed, uuid } from '../input.ts'
import type { Flash } from './flashes.ts'
import type { Markup } from './parts.ts'

export interface ConsoleContext {
  deps: ConsoleDeps
  /** Serves a page at `path`; `render` gives its title and contents. */
  page(
    path: string,
    here: string,
    render: (context: Context<HttpEnv>, operator: boolean) => Promise<{ title: string; body: Markup }>,
  ): void
  /**
   * Serves an operator's act: `run` does it and says what was done. Whether it went well or not, the browser is sent
   * back to `back`, where that is told once.
   */
  act(
    path: string,
    back: (context: Context<HttpEnv>, form: Form) => string,
    run: (form: Form, context: Context<HttpEnv>) => Promise<Flash>,
  ): void
}

/** Fields of a form; a field that occurs more than once, or holds a file, is what hono makes of it. */
export type Form = Record<string, unknown>

/** A page that only operators get. @throws kind `not_permitted`, code `forbidden` */
export function requireOperator(operator: boolean): void {
  if (operator) return
  throw new EntraSyncError('not_permitted', 'A viewer may not do this.', {
    code: 'forbidden',
    remedy: 'Sign in with an operator token.',
  })
}

const param = z.object({ id: uuid })

/** The Entra tenant that a page's path names. @throws kind `input` where it is no id */
export function idOf(context: Context<HttpEnv>): string {
  return parsed(param, context.req.param()).id
}
