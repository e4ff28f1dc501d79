import type { OpenProblem } from '../../db/open-problems.ts'
import type { StatusFilter } from '../../db/status.ts'
import type { Consent, TenantStatusView } from '../../db/tables.ts'
import { pill, type Markup, type Tone } from './parts.ts'

const states: Record<TenantStatusView['state'], [Tone, string]> = {
  ok: ['good', 'ok'],
  new: ['mute', 'new'],
  held: ['warn', 'held'],
  problem: ['bad', 'problem'],
  consent_required: ['bad', 'consent required'],
  waiting_for_roles: ['warn', 'waiting for roles'],
  gdap_ended: ['bad', 'GDAP ended'],
  paused: ['mute', 'paused'],
  disabled: ['mute', 'disabled'],
  offboarded: ['mute', 'offboarded'],
  gone: ['mute', 'gone'],
}

export const stateOf = (state: TenantStatusView['state']): Markup => pill(...states[state])

const consents: Record<Consent, [Tone, string]> = {
  granted: ['good', 'granted'],
  other_app: ['warn', 'other app'],
  waiting_for_roles: ['warn', 'waiting for roles'],
  insufficient: ['bad', 'insufficient'],
  required: ['bad', 'required'],
  revoked: ['bad', 'revoked'],
}

/** null = never proved yet. */
export const consentOf = (consent: Consent | null): Markup =>
  consent === null ? pill('mute', 'not proved yet') : pill(...consents[consent])

export function outcomeOf(outcome: string | null): Markup {
  const tones: Record<string, Tone> = { succeeded: 'good', partial: 'warn', held: 'warn', failed: 'bad' }
  return outcome === null ? pill('mute', 'running') : pill(tones[outcome] ?? 'mute', outcome)
}

export const whoActs: Record<OpenProblem['who_acts'], string> = {
  operator: 'You',
  customer_admin: "The customer's admin",
  partner_admin: "The partner's admin",
  microsoft: 'Microsoft',
}

export const filters: Record<StatusFilter | 'all', [Tone, string]> = {
  all: ['mute', 'all Entra tenants'],
  ok: ['good', 'ok'],
  consent: ['bad', 'need consent'],
  gdap_ended: ['bad', 'GDAP ended'],
  problems: ['bad', 'with problems'],
  held: ['warn', 'held'],
  stale: ['warn', 'stale'],
  new: ['mute', 'new'],
  paused: ['mute', 'paused or over'],
}
