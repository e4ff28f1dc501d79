import { sql } from 'kysely'
import { expect } from 'vitest'
import { until } from '../jobs/support.ts'
import type { Fault } from './fault.ts'
import type { World } from './world.ts'

/** Postgres refuses with this state whenever a row of the victim is written. */
function refusing(
  state: string,
  table: 'persons' | 'deployment_targets',
  more: Pick<Fault, 'number' | 'name'> & Partial<Fault>,
): Fault {
  const column = table === 'persons' ? 'new.entra_tenant_id = ' : 'new.tenant_id = '
  return {
    tells: new RegExp(`postgres_${state}`, 'i'),
    reach: 'victim',
    ...more,
    async inject(world) {
      const id = table === 'persons' ? world.victim.id : await tenantOf(world)
      const { db } = world.database
      await sql
        .raw(
          `create function refuse_${table}_${state}() returns trigger language plpgsql as $$ begin
            raise exception 'refused by the test' using errcode = '${state}'; end $$`,
        )
        .execute(db)
      await sql
        .raw(
          `create trigger refuse_${table}_${state} before insert or update on ${table} for each row
            when (${column}'${id}') execute function refuse_${table}_${state}()`,
        )
        .execute(db)
    },
    end: async ({ database: { db } }) =>
      void (await sql.raw(`drop function refuse_${table}_${state} cascade`).execute(db)),
  }
}

async function tenantOf({ database, victim }: World): Promise<string> {
  const { rows } = await sql<{ id: string }>`
    select tenant_id as id from tenant_links where entra_tenant_id = ${victim.id}`.execute(database.db)
  return rows[0]?.id ?? ''
}

const lost = /postgres_connection_lost|terminated|ECONN/i

/** What Postgres itself answers when it takes no more connections. */
function tooManyClients(): Buffer {
  const fields = ['SFATAL', 'VFATAL', 'C53300', 'Msorry, too many clients already']
    .map((text) => `${text}\0`)
    .join('')
  const body = Buffer.from(`${fields}\0`)
  const length = Buffer.alloc(4)
  length.writeInt32BE(body.length + 4)
  return Buffer.concat([Buffer.from('E'), length, body])
}

let lostAnswers: () => number = () => 0

/** Numbers 45 to 49. */
export const postgresFaults: Fault[] = [
  {
    number: 45,
    name: 'commits whose acknowledgement is lost',
    tells: lost,
    reach: 'all',
    inject({ way }) {
      lostAnswers = way.loseAnswerTo('commit', 6)
    },
    end: ({ way }) => void way.loseAnswerTo('commit', 0),
    expect: () =>
      until('commits to lose their answers', async () => lostAnswers() >= 3).then(() => undefined),
  },
  refusing('40P01', 'persons', { number: 46, name: 'a deadlock in the merge' }),
  refusing('40001', 'persons', { number: 46, name: 'a serialization failure in the merge' }),
  refusing('55P03', 'persons', { number: 46, name: 'a lock timeout in the merge' }),
  refusing('53100', 'persons', { number: 47, name: 'a full disk in the merge' }),
  {
    number: 47,
    name: 'a failover to a replica that only reads yet',
    tells: /postgres_25006|read-only transaction/,
    reach: 'all',
    async inject({ database: { db }, way }) {
      await sql.raw(`alter database ${await nameOf(db)} set default_transaction_read_only = on`).execute(db)
      way.cut()
    },
    async end({ database: { db }, way }) {
      await sql.raw(`alter database ${await nameOf(db)} reset default_transaction_read_only`).execute(db)
      way.cut()
    },
  },
  {
    number: 47,
    name: 'no connection is free',
    tells: /53300|too many clients/,
    reach: 'all',
    inject({ way }) {
      way.refuse(tooManyClients())
      way.cut()
    },
    end: ({ way }) => way.refuse(null),
  },
  {
    number: 48,
    name: 'connections that have fallen silent without ending',
    tells: lost,
    reach: 'all',
    inject: ({ way }) => way.silence(),
    end: ({ way }) => way.mend(),
  },
  {
    number: 48,
    name: 'every backend is ended, the one that listens too',
    tells: /57P01|terminat|ECONNRESET/i,
    reach: 'all',
    async inject({ database: { db } }) {
      await sql`select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid() and application_name like 'entra-sync%'`.execute(
        db,
      )
    },
    end: () => {},
  },
  refusing('57014', 'persons', { number: 49, name: 'the statement is cancelled in the merge' }),
  refusing('57014', 'deployment_targets', {
    number: 49,
    name: 'the statement is cancelled in the resolution',
    tells: null,
    async expect({ database }) {
      const rests = await until('the family to rest', async () => {
        const rows = await database.db.selectFrom('target_failures').selectAll().execute()
        return rows.length > 0 && rows
      })
      expect(rests).toMatchObject([{ code: 'postgres_57014' }])
    },
  }),
]

async function nameOf(db: World['database']['db']): Promise<string> {
  const { rows } = await sql<{ name: string }>`select current_database() as name`.execute(db)
  return rows[0]?.name ?? ''
}
