import { asking } from './asking.ts'
import { askingTenants } from './asking-tenants.ts'
import { entraApp } from './entra-app.ts'
import { entraLogin } from './entra-login.ts'
import type { CatalogueEntry, Retry, SourcedEntry, WhoActs } from './entry.ts'
import { graph } from './graph.ts'
import { own } from './own.ts'
import { partner } from './partner.ts'
import { partnerCenter } from './partner-center.ts'
import { reading } from './reading.ts'
import { running } from './running.ts'
import { codeOfRedirectError, userSignIn } from './user-sign-in.ts'

export type { CatalogueEntry, Retry, WhoActs } from './entry.ts'

const of =
  (source: CatalogueEntry['source']) =>
  (entry: SourcedEntry): CatalogueEntry => ({ numbers: [], names: [], ...entry, source })

/** All errors of Microsoft's login service, Graph and Partner Center that can occur here, and all of our own. */
export const catalogue: readonly CatalogueEntry[] = [
  ...entraApp.map(of('entra_login')),
  ...entraLogin.map(of('entra_login')),
  ...userSignIn.map(of('entra_login')),
  ...graph.map(of('graph')),
  ...partnerCenter.map(of('partner_center')),
  ...own.map(of('entra_sync')),
  ...partner.map(of('entra_sync')),
  ...reading.map(of('entra_sync')),
  ...running.map(of('entra_sync')),
  ...askingTenants.map(of('entra_sync')),
  ...asking.map(of('entra_sync')),
]

const byNumber = new Map(
  catalogue.flatMap((entry) => entry.numbers.map((number) => [number, entry] as const)),
)
// The first entry of a code is its general one.
const byCode = new Map(catalogue.toReversed().map((entry) => [entry.code, entry] as const))
// Codes that are made of what others say: `graph_503`, `postgres_57p01`.
const families = catalogue
  .filter(({ code }) => /_(nnn|xxx)$/.test(code))
  .map((entry) => ({
    entry,
    pattern: new RegExp(`^${entry.code.replace(/nnn$/, '[0-9]{3}').replace(/xxx$/, '[a-z0-9_]{2,80}')}$`),
  }))
const named = (source: CatalogueEntry['source']) =>
  new Map(
    catalogue
      .filter((entry) => entry.source === source)
      .flatMap((entry) => entry.names.map((name) => [name.toLowerCase(), entry] as const)),
  )
const byGraphName = named('graph')
const byTokenError = named('entra_login')

/** The entry of an AADSTS number: what `error_codes` of the token endpoint holds. */
export function entryOfAadsts(number: number): CatalogueEntry | undefined {
  return byNumber.get(number)
}

/** The general entry of a code as problems, logs and alerts have it. */
export function entryOfCode(code: string): CatalogueEntry | undefined {
  return byCode.get(code) ?? families.find(({ pattern }) => pattern.test(code))?.entry
}

/** The entry of Graph's `error.code`, in any letter case. */
export function entryOfGraphCode(code: string): CatalogueEntry | undefined {
  return byGraphName.get(code.toLowerCase())
}

/** The entry of the OAuth `error` of the token endpoint. */
export function entryOfTokenError(error: string): CatalogueEntry | undefined {
  return byTokenError.get(error.toLowerCase())
}

/** The entry of the `error` that a browser brings back from Microsoft; there `access_denied` is a person's no. */
export function entryOfOAuth(error: string): CatalogueEntry | undefined {
  const wanted = error.toLowerCase()
  const code = Object.hasOwn(codeOfRedirectError, wanted) ? codeOfRedirectError[wanted] : undefined
  return code === undefined ? undefined : entryOfCode(code)
}

/**
 * All entries that a person may mean: an AADSTS number (`AADSTS50011`, `50011`), a code of ours, or the name that the
 * service uses, in any letter case.
 */
export function findEntries(text: string): CatalogueEntry[] {
  const wanted = text.trim().toLowerCase()
  const number = /^(?:aadsts)?(\d{4,9})$/.exec(wanted)?.[1]
  if (number !== undefined) {
    const entry = entryOfAadsts(Number(number))
    return entry === undefined ? [] : [entry]
  }
  const redirected = entryOfOAuth(wanted)
  const found = catalogue.filter(
    (entry) =>
      entry.code === wanted ||
      entry === redirected ||
      entry.names.some((name) => name.toLowerCase() === wanted),
  )
  const family = found.length > 0 ? undefined : entryOfCode(wanted)
  return family === undefined ? found : [family]
}

export interface RemedyFacts {
  redirectUri?: string | undefined
  clientId?: string | undefined
  /** Entra tenant id, or what a command takes for it. */
  tenant?: string | undefined
}

const unfilled: Required<RemedyFacts> = {
  redirectUri: 'PUBLIC_URL/consent-callback',
  clientId: 'CLIENT-ID',
  tenant: 'TENANT-ID',
}

/** The remedy with what is known put in; what is not is left as a word that says what belongs there. */
export function fillRemedy({ remedy }: Pick<CatalogueEntry, 'remedy'>, facts: RemedyFacts): string {
  return remedy.replaceAll(
    /\{(redirectUri|clientId|tenant)\}/g,
    (_, name: keyof RemedyFacts) => facts[name] ?? unfilled[name] ?? '',
  )
}

/** The one redirect URI to register, for consent and for partner sign-in. */
export function redirectUriOf(publicUrl: string): string {
  return `${publicUrl}/consent-callback`
}

/** Who acts, for people who read this as the MSP's operator. */
export const whoText: Readonly<Record<WhoActs, string>> = {
  operator: 'you',
  customer_admin: "customer's admin",
  partner_admin: "partner's admin",
  microsoft: 'Microsoft',
}

/** What comes of trying again, for people. */
export const retryText: Readonly<Record<Retry, string>> = {
  never: 'does not help',
  after_fix: 'once that is done',
  soon: 'happens by itself, within a minute or so',
  later: 'happens by itself, later',
}

/** What Microsoft calls it: AADSTS numbers, then codes. */
export function namesOf({ numbers, names }: Pick<CatalogueEntry, 'numbers' | 'names'>): string[] {
  return [...numbers.map((number) => `AADSTS${number}`), ...names]
}
