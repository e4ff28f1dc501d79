import { isatty } from 'node:tty'
import { destination, pino, stdSerializers, type DestinationStream, type Logger } from 'pino'
import { PinoPretty } from 'pino-pretty'
import type { LogLevel } from './config.ts'
import { EntraSyncError } from './errors.ts'

export type Log = Logger

const secretKeys = [
  'authorization',
  'Authorization',
  'cookie',
  'password',
  'secret',
  'clientSecret',
  'client_secret',
  'token',
  'accessToken',
  'access_token',
  'refreshToken',
  'refresh_token',
  'client_assertion',
  'privateKeyPem',
]

/**
 * The root logger. Writes to stderr, since stdout belongs to what commands print. Secrets are kept out twice: by key,
 * and by a pattern over every finished line, because a path-based redaction does not see into strings, URLs and
 * nested causes. `stream` replaces stderr in tests.
 */
export function createLog(
  options: { level: LogLevel; pretty: boolean },
  stream: DestinationStream = destination({ fd: 2, sync: true }),
): Log {
  const sink = options.pretty
    ? PinoPretty({
        destination: stream,
        colorize: isatty(2),
        translateTime: 'SYS:HH:MM:ss',
        ignore: 'pid,hostname',
      })
    : stream
  return pino(
    {
      level: options.level,
      redact: { paths: secretKeys.flatMap((key) => [key, `*.${key}`, `*.*.${key}`]), censor: '[secret]' },
      serializers: { err: serializeError, error: serializeError },
      hooks: { streamWrite: scrub },
    },
    sink,
  )
}

/** Facts of our own error stay; a cause is told in the same way, down to three levels. */
function serializeError(error: unknown, depth = 0): unknown {
  if (!(error instanceof Error)) return error
  const cause = error.cause === undefined || depth >= 3 ? undefined : serializeError(error.cause, depth + 1)
  if (!(error instanceof EntraSyncError)) {
    return {
      type: error.name,
      message: error.message,
      stack: error.stack,
      code: stdSerializers.err(error)['code'],
      cause,
    }
  }
  const { kind, code, remedy, tenant, resource, status, requestId, retryAt } = error
  const stack = kind === 'config' || kind === 'input' ? undefined : error.stack
  return {
    type: error.name,
    kind,
    code,
    message: error.message,
    remedy,
    tenant,
    resource,
    status,
    requestId,
    retryAt,
    stack,
    cause,
  }
}

/**
 * Replaces what looks like a secret: bearer and JWT tokens, delta and skip tokens of Graph links, credentials in
 * forms, JSON and URLs. Also for texts that leave the process another way, as an error in a job.
 */
export function scrub(text: string): string {
  return text
    .replace(/\bBearer\s+[\w.~+/=-]+/gi, 'Bearer [secret]')
    .replace(/\beyJ[\w-]+\.[\w-]+\.[\w-]*/g, '[secret]')
    .replace(/((?:\$|%24)(?:delta|skip)token=)[^&\s"'\\]+/gi, '$1[secret]')
    .replace(
      /\b((?:client_secret|client_assertion|refresh_token|access_token|password)(?:=|\\?"\s*:\s*\\?"))[^&\s"\\]+/gi,
      '$1[secret]',
    )
    .replace(/(\b[a-z][a-z\d+.-]*:\/\/[^\s:/@"]*:)[^\s@/"]+@/gi, '$1[secret]@')
}
