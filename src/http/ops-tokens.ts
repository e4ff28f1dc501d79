import { randomBytes } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Config, OpsToken } from '../config.ts'
import { EntraSyncError } from '../errors.ts'

/**
 * The tokens that sign in. Without OPS_TOKEN and with the embedded database one operator token is generated into
 * DATA_DIR/ops-token (0600) and handed to `print` that one time; with a database of one's own OPS_TOKEN is required,
 * since several processes would each make up their own.
 */
export async function loadOpsTokens(
  config: Pick<Config, 'opsTokens' | 'databaseUrl' | 'dataDir'>,
  print: (line: string) => void,
): Promise<OpsToken[]> {
  if (config.opsTokens !== null) return config.opsTokens
  if (config.databaseUrl !== null) {
    throw new EntraSyncError('config', 'OPS_TOKEN is needed to serve HTTP with a database of your own.', {
      code: 'ops_token_missing',
      remedy: 'Set OPS_TOKEN_FILE to a file with a long random token, as `openssl rand -hex 32` prints.',
    })
  }
  const file = join(config.dataDir, 'ops-token')
  const kept = await readKept(file)
  if (kept.trim().length >= 16) return [{ token: kept.trim(), role: 'operator' }]
  const token = randomBytes(32).toString('base64url')
  await mkdir(config.dataDir, { recursive: true })
  await writeFile(file, `${token}\n`, { mode: 0o600 })
  print(`Generated an ops token for sign-in, kept in ${file}: ${token}`)
  return [{ token, role: 'operator' }]
}

/** A token that can't be read is not replaced by a new one: somebody signs in with it. */
async function readKept(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return ''
    throw new EntraSyncError('config', `The ops token in ${file} can't be read: ${String(cause)}.`, {
      code: 'ops_token_unreadable',
      remedy: 'Let the user of the daemon read the file, or remove it to get a new token.',
      cause,
    })
  }
}
