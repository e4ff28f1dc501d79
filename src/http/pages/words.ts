import type { OpenProblem } from '../../db/open-problems.ts'
import type { StatusFilter } from '../../db/status.ts'
import type { Consent, TenantStatusView } from '../../db/tables.ts'
import { pill, type Markup, type Tone } from './parts.ts'

const states: Partial<Record<string, [Tone, string]>> & Record<TenantStatusView['state'], [Tone, string]> = {
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

export function stateOf(state: string): Markup {
  const [tone, text] = states[state] ?? ['mute', state]
  return pill(tone, text)
}

const consents: Partial<Record<string, [Tone, string]>> & Record<Consent, [Tone, string]> = {
  granted: ['good', 'granted'],
  other_app: ['warn', 'other app'],
  waiting_for_roles: ['warn', 'waiting for roles'],
  insufficient: ['bad', 'insufficient'],
  required: ['bad', 'required'],
  revoked: ['bad', 'revoked'],
}

/** null = never proved yet. */
export function consentOf(consent: string | null): Markup {
  if (consent === null) return pill('mute', 'not proved yet')
  const [tone, text] = consents[consent] ?? ['mute', consent]
  return pill(tone, text)
}

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
