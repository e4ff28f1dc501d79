import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { EntraSyncError } from './errors.ts'
import type { KeyRing } from './key-ring.ts'

declare const sealedBrand: unique symbol
/** `sealed1:KEY_ID:DATA`, DATA being IV (96 bits), ciphertext and tag (128 bits) in base64url. Made by `seal` only. */
export type SealedText = string & { readonly [sealedBrand]: true }

/** What a sealed text belongs to: it opens for nothing else, so that no row's secret can be moved into another row. */
export interface Binding {
  /** What the secret is for, as `app-credential`; the same for all rows of a column. */
  purpose: string
  entraTenantId: string
}

const format = /^sealed1:([0-9a-f]{12}):([A-Za-z0-9_-]{38,})$/
const ivBytes = 12
const tagBytes = 16

/**
 * Seals `secret` with the newest key: AES-256-GCM, a random IV, binding and key id as additional data.
 * @throws kind `config`, code `encryption_key_missing`, when the ring is empty
 */
export function seal(ring: KeyRing, secret: string, binding: Binding): SealedText {
  const [newest] = ring
  if (newest === undefined) {
    throw new EntraSyncError('config', 'A secret is to be stored, and no encryption key is configured.', {
      code: 'encryption_key_missing',
      remedy:
        'Set ENCRYPTION_KEY_FILE to a file with the output of `openssl rand -base64 32`, the same for every process.',
      tenant: binding.entraTenantId,
    })
  }
  const iv = randomBytes(ivBytes)
  const cipher = createCipheriv('aes-256-gcm', newest.key, iv, { authTagLength: tagBytes })
  cipher.setAAD(additionalData(newest.id, binding))
  const data = Buffer.concat([iv, cipher.update(secret, 'utf8'), cipher.final(), cipher.getAuthTag()])
  return `sealed1:${newest.id}:${data.toString('base64url')}` as SealedText
}

/**
 * The secret in a sealed text; never the text itself.
 * @throws kind `config`: `sealed_text_malformed`, `secret_key_unknown` (no key of the ring has that id),
 * `secret_not_authentic` (changed, or sealed for another row or purpose)
 */
export function open(ring: KeyRing, sealed: string, binding: Binding): string {
  const keyId = keyIdOf(sealed)
  if (keyId === null) {
    throw refusal('sealed_text_malformed', 'is no sealed text', binding, storeAgain)
  }
  const key = ring.find(({ id }) => id === keyId)
  if (key === undefined) {
    const remedy = `Put the key with id ${keyId} back into ENCRYPTION_KEY, after the newest one; or store the secret again.`
    throw refusal(
      'secret_key_unknown',
      `is sealed with key ${keyId}, which is not configured`,
      binding,
      remedy,
    )
  }
  const data = Buffer.from(sealed.slice(sealed.lastIndexOf(':') + 1), 'base64url')
  const decipher = createDecipheriv('aes-256-gcm', key.key, data.subarray(0, ivBytes), {
    authTagLength: tagBytes,
  })
  decipher.setAAD(additionalData(keyId, binding))
  decipher.setAuthTag(data.subarray(-tagBytes))
  try {
    return decipher.update(data.subarray(ivBytes, -tagBytes), undefined, 'utf8') + decipher.final('utf8')
  } catch (cause) {
    const what = `is sealed with key ${keyId} and does not open: it was changed, or belongs to another row`
    throw refusal('secret_not_authentic', what, binding, storeAgain, cause)
  }
}

/** The id of the key that a text is sealed with; null = it is no sealed text. */
export function keyIdOf(sealed: string): string | null {
  return format.exec(sealed)?.[1] ?? null
}

const storeAgain = 'Store the secret again.'

// JSON, since joining by any sign could make two bindings one.
function additionalData(keyId: string, { purpose, entraTenantId }: Binding): Buffer {
  return Buffer.from(JSON.stringify(['sealed1', keyId, purpose, entraTenantId.toLowerCase()]))
}

function refusal(
  code: string,
  what: string,
  { purpose, entraTenantId }: Binding,
  remedy: string,
  cause?: unknown,
): EntraSyncError {
  return new EntraSyncError('config', `A stored ${purpose} ${what}.`, {
    code,
    remedy,
    tenant: entraTenantId,
    cause,
  })
}
