import { createHash, createSecretKey, randomBytes, type KeyObject } from 'node:crypto'
import { link, mkdir, readFile, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { EntraSyncError } from './errors.ts'

/** One key of 256 bits. Its bytes are in a KeyObject, which neither JSON nor a log shows. */
export interface EncryptionKey {
  /** Twelve hexadecimal digits of its hash: names it in sealed texts and messages. */
  id: string
  key: KeyObject
}

/** The newest key first: it seals, all of them open. Empty = none is configured. */
export type KeyRing = readonly EncryptionKey[]

const bytes = 32

/**
 * The keys of a text, one an entry, divided by commas or lines; or what is wrong with it, without any of its contents.
 * Reads on after the variable's name.
 */
export function readKeyRing(text: string): { ring: KeyRing } | { wrong: string } {
  const entries = text
    .split(/[,\r\n]+/)
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '')
  const ring: EncryptionKey[] = []
  for (const [index, entry] of entries.entries()) {
    const which = entries.length === 1 ? '' : ` (entry ${index + 1})`
    const decoded = decode(entry)
    if (decoded?.length !== bytes) return { wrong: `is no key of 32 bytes in base64${which}. ${makeOne}` }
    if (isObvious(decoded)) return { wrong: `is an example, not a random key${which}. ${makeOne}` }
    ring.push(keyOf(decoded))
  }
  if (ring.length === 0) return { wrong: `holds no key. ${makeOne}` }
  if (new Set(ring.map(({ id }) => id)).size < ring.length)
    return { wrong: 'names a key twice. Remove one of the two.' }
  return { ring }
}

const makeOne = 'Make one with `openssl rand -base64 32`.'

/**
 * The key ring to work with: the configured one; else, with the embedded database, that of DATA_DIR/encryption-key,
 * generated (0600) on first use; else an empty one, with which sealing is refused, so that an installation without
 * secrets needs no key.
 */
export async function openKeyRing(config: {
  encryptionKeys: KeyRing | null
  databaseUrl: string | null
  dataDir: string
}): Promise<KeyRing> {
  if (config.encryptionKeys !== null) return config.encryptionKeys
  if (config.databaseUrl !== null) return []
  const file = join(config.dataDir, 'encryption-key')
  const text = (await contents(file)) ?? (await generate(config.dataDir, file))
  const read = readKeyRing(text)
  if ('ring' in read) return read.ring
  throw new EntraSyncError('config', `${file} ${read.wrong}`, {
    code: 'encryption_key_invalid',
    remedy: 'Restore the file from a backup: without its key no secret that is stored can be opened.',
  })
}

async function contents(file: string): Promise<string | null> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw new EntraSyncError('config', `${file} can't be read: ${(error as Error).message}.`, {
      code: 'encryption_key_unreadable',
      remedy: 'Let the user that runs entra-sync read it, or set ENCRYPTION_KEY_FILE.',
      cause: error,
    })
  }
}

/** Two processes may start at once: the file appears whole and once, and both read the one that won. */
async function generate(dataDir: string, file: string): Promise<string> {
  await mkdir(dataDir, { recursive: true })
  const draft = `${file}.${process.pid}.${randomBytes(4).toString('hex')}`
  await writeFile(draft, `${randomBytes(bytes).toString('base64')}\n`, { mode: 0o600, flag: 'wx' })
  try {
    await link(draft, file)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  } finally {
    await unlink(draft)
  }
  return readFile(file, 'utf8')
}

function keyOf(material: Buffer): EncryptionKey {
  const id = createHash('sha256').update('entra-sync key id').update(material).digest('hex').slice(0, 12)
  return { id, key: createSecretKey(material) }
}

/** Node skips what is not base64; a key that lost characters on its way must not pass as another one. */
function decode(text: string): Buffer | null {
  if (!/^(?:[A-Za-z0-9+/]+|[A-Za-z0-9_-]+)={0,2}$/.test(text)) return null
  return Buffer.from(text, 'base64')
}

/** Zeroes, repetitions, counting and typed text; random bytes look like one of them once in 2^40 or less. */
function isObvious(key: Buffer): boolean {
  const steps = new Set([...key.subarray(1)].map((byte, index) => (byte - (key[index] ?? 0) + 256) % 256))
  const typed = key.every((byte) => byte >= 0x20 && byte < 0x7f)
  return new Set(key).size < 12 || steps.size === 1 || typed
}
