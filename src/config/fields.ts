import { z } from 'zod'
import { readAppCertificate, type AppCertificate } from './app-certificate.ts'
import { readKeyRing, type KeyRing } from '../key-ring.ts'
import { parseIsoDuration } from './iso-duration.ts'
import type { OpsToken } from '../config.ts'

// The shapes of single variables. A message reads on after the variable's name: `HTTP_PORT must be ...`.

const loopbackNames = ['localhost', '127.0.0.1', '[::1]']

export const tooShort =
  'is shorter than 16 characters. Use a long random one, as `openssl rand -hex 32` prints.'

export function wholeNumber(min: number, max: number) {
  const message = `must be a whole number from ${min} to ${max}.`
  return z
    .string()
    .regex(/^\d+$/, message)
    .transform(Number)
    .pipe(z.number().min(min, message).max(max, message))
}

export function duration(min: number, max: number, maxText: string) {
  return z.string().transform((text, context) => {
    const ms = parseIsoDuration(text)
    if (ms !== null && ms >= min && ms <= max) return ms
    context.addIssue(
      ms === null
        ? 'is no ISO 8601 duration. Write it as PT30M, PT6H or P1D.'
        : `is out of range. Choose a duration from PT1S to ${maxText}.`,
    )
    return z.NEVER
  })
}

export const flag = z
  .string()
  .toLowerCase()
  .pipe(z.enum(['true', 'false', '1', '0', 'yes', 'no'], 'must be true or false.'))
  .transform((text) => text === 'true' || text === '1' || text === 'yes')

export function serverUrl(protocols: string[]) {
  const schemes = protocols.map((protocol) => `${protocol}//`).join(', ')
  return z.string().refine(
    (text) => {
      const url = URL.parse(text)
      // A socket directory comes as ?host=, as libpq and pg have it.
      return (
        url !== null &&
        protocols.includes(url.protocol) &&
        (url.hostname !== '' || url.searchParams.has('host'))
      )
    },
    // The value is left out: it may hold a password.
    `is no URL that starts with ${schemes} and names a host. Percent-encode special characters of the password.`,
  )
}

function originOf(text: string): URL | null {
  const url = URL.parse(text)
  if (!url || url.username || url.password || url.pathname !== '/' || url.search || url.hash) return null
  return url
}

export const httpsOrigin = z.string().transform((text, context) => {
  const url = originOf(text)
  if (url?.protocol === 'https:') return url.origin
  context.addIssue(
    'is no https origin without a path. Write it as https://graph.microsoft.com, with a port if need be.',
  )
  return z.NEVER
})

export const publicUrl = z.string().transform((text, context) => {
  const url = originOf(text)
  if (
    url &&
    (url.protocol === 'https:' || (url.protocol === 'http:' && loopbackNames.includes(url.hostname)))
  ) {
    return url.origin
  }
  context.addIssue(
    'must be an https origin without a path (http only for localhost). Write it as https://sync.example.com.',
  )
  return z.NEVER
})

export const opsTokens = z.string().transform((text, context): OpsToken[] => {
  const tokens = text
    .split(/[,\r\n]+/)
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '')
    .map((entry): OpsToken => {
      const [, role = 'operator', token = entry] = /^(viewer|operator):(.*)$/.exec(entry) ?? []
      return { token: token.trim(), role: role === 'viewer' ? 'viewer' : 'operator' }
    })
  if (tokens.some(({ token }) => token.length < 16)) context.addIssue(`has a token that ${tooShort}`)
  if (new Set(tokens.map(({ token }) => token)).size < tokens.length) {
    context.addIssue('names a token twice. Give every person or program a token of its own.')
  }
  if (tokens.some(({ token }) => /^[a-z]+:/i.test(token))) {
    context.addIssue('has a token with an unknown role. Write viewer:TOKEN, operator:TOKEN, or a bare token.')
  }
  return tokens
})

export const certificatePem = z.string().transform((pem, context): AppCertificate => {
  const read = readAppCertificate(pem)
  if ('certificate' in read) return read.certificate
  context.addIssue(read.wrong)
  return z.NEVER
})

export const encryptionKeys = z.string().transform((text, context): KeyRing => {
  const read = readKeyRing(text)
  if ('ring' in read) return read.ring
  context.addIssue(read.wrong)
  return z.NEVER
})
