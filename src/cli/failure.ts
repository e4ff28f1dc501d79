import { describeError, isEntraSyncError } from '../errors.ts'
import { scrub } from '../log.ts'
import { printable } from './text.ts'

export interface Failure {
  /** For a person: what happened and what to do next. */
  text: string
  /** The same for a program, under `error` of the --json document. */
  document: {
    kind: string
    code: string
    message: string
    remedy?: string
    tenant?: string
    requestId?: string
  }
  /** The stack of an error that nobody thought of; shown to who asks for LOG_LEVEL=debug. */
  unexpected?: string
}

const postgresRemedies: Record<string, string> = {
  ECONNREFUSED: 'Start Postgres, or correct DATABASE_URL.',
  ENOTFOUND: 'Correct the host of DATABASE_URL.',
  '28P01': 'Correct the password in DATABASE_URL.',
  '28000': 'Check user and pg_hba.conf of the server in DATABASE_URL.',
  '3D000': 'Create the database that DATABASE_URL names.',
  '42501': 'Give the role of DATABASE_URL the right it lacks.',
  '53300': 'Raise max_connections of Postgres, or run fewer processes.',
}

/** Turns any error into what a person and a program are told. Stacks are for bugs only. */
export function explainFailure(error: unknown): Failure {
  if (isEntraSyncError(error)) {
    const { kind, code, message, remedy, tenant, requestId } = error
    const facts = { ...(remedy && { remedy }), ...(tenant && { tenant }), ...(requestId && { requestId }) }
    return { text: safe(describeError(error)), document: { kind, code, message: scrub(message), ...facts } }
  }
  const code = codeOf(error)
  const remedy = postgresRemedies[code]
  const message = scrub(messageOf(error))
  if (remedy !== undefined) {
    const text = `The database does not answer as it should: ${message}.`
    return {
      text: safe(`${text} ${remedy}`),
      document: { kind: 'database', code: 'database_failed', message: text, remedy },
    }
  }
  const advice = 'This is a fault of entra-sync; LOG_LEVEL=debug shows where it happened.'
  return {
    text: safe(`Unexpected error: ${message}. ${advice}`),
    document: { kind: 'unexpected', code: 'unexpected', message, remedy: advice },
    ...(error instanceof Error && error.stack !== undefined && { unexpected: scrub(error.stack) }),
  }
}

/** A refused connection to `localhost` comes as an AggregateError with no message of its own, one error an address. */
function messageOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(messageOf).join('; ')
  return (error instanceof Error ? error.message : String(error)).replace(/\.$/, '')
}

function codeOf(error: unknown): string {
  if (typeof error !== 'object' || error === null || !('code' in error)) return ''
  return typeof error.code === 'string' ? error.code : ''
}

function safe(text: string): string {
  return text.split('\n').map(printable).join('\n')
}
