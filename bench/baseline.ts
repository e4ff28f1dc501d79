/**
 * What a typical team writes first, kept as the measure beside ours: the official client with its default middleware,
 * PageIterator over /users and /groups, one /members listing per group, one upsert per row, everything again each time.
 */
import { ConfidentialClientApplication } from '@azure/msal-node'
import { Client, PageIterator, type PageCollection } from '@microsoft/microsoft-graph-client'
import pg from 'pg'

export interface BaselineTarget {
  origin: string
  entraTenantId: string
  clientId: string
  clientSecret: string
  databaseUrl: string
}

const tables = `
  create schema if not exists baseline;
  create table if not exists baseline.users (id uuid primary key, upn text, mail text, display_name text, given_name text,
    surname text, job_title text, department text, company_name text, office_location text, usage_location text,
    employee_id text, account_enabled boolean, user_type text);
  create table if not exists baseline.licenses (user_id uuid, sku_id uuid, primary key (user_id, sku_id));
  create table if not exists baseline.groups (id uuid primary key, display_name text, mail text, mail_nickname text,
    mail_enabled boolean, security_enabled boolean);
  create table if not exists baseline.members (group_id uuid, member_id uuid, primary key (group_id, member_id));
  create table if not exists baseline.skus (sku_id uuid primary key, part_number text);`

const userSelect =
  'id,userPrincipalName,mail,displayName,givenName,surname,jobTitle,department,companyName,officeLocation,usageLocation,' +
  'employeeId,accountEnabled,userType,assignedLicenses'

/** One whole pass over one tenant, whether or not anything changed since the last. */
export async function baselineSync(target: BaselineTarget): Promise<void> {
  const authority = `${target.origin}/${target.entraTenantId}`
  const app = new ConfidentialClientApplication({
    auth: {
      clientId: target.clientId,
      clientSecret: target.clientSecret,
      authority,
      knownAuthorities: [new URL(target.origin).host],
    },
  })
  const client = Client.init({
    baseUrl: `${target.origin}/`,
    defaultVersion: 'v1.0',
    customHosts: new Set([new URL(target.origin).hostname]),
    authProvider: (done) => {
      app.acquireTokenByClientCredential({ scopes: [`${target.origin}/.default`] }).then(
        (token) => done(null, token?.accessToken ?? null),
        (error: unknown) => done(error, null),
      )
    },
  })
  const database = new pg.Client({ connectionString: target.databaseUrl })
  await database.connect()
  const save = async (text: string, values: unknown[]): Promise<void> => {
    await database.query(text, values)
  }

  /** PageIterator's callback is synchronous, so a typical caller collects first and writes afterwards. */
  const listAll = async (path: string): Promise<Record<string, unknown>[]> => {
    const items: Record<string, unknown>[] = []
    const first = (await client.api(path).get()) as PageCollection
    const iterator = new PageIterator(client, first, (item: Record<string, unknown>) => {
      items.push(item)
      return true
    })
    await iterator.iterate()
    return items
  }

  try {
    await database.query(tables)
    for (const user of await listAll(`/users?$select=${userSelect}&$top=999`)) {
      await save(
        `insert into baseline.users values ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14)
         on conflict (id) do update set upn=$2, mail=$3, display_name=$4, given_name=$5, surname=$6, job_title=$7, department=$8,
         company_name=$9, office_location=$10, usage_location=$11, employee_id=$12, account_enabled=$13, user_type=$14`,
        userSelect
          .split(',')
          .slice(0, 14)
          .map((name) => user[name] ?? null),
      )
      for (const license of (user.assignedLicenses as { skuId: string }[] | undefined) ?? []) {
        await save('insert into baseline.licenses values ($1,$2) on conflict do nothing', [
          user.id,
          license.skuId,
        ])
      }
    }
    for (const group of await listAll(
      '/groups?$select=id,displayName,mail,mailNickname,mailEnabled,securityEnabled&$top=999',
    )) {
      await save(
        `insert into baseline.groups values ($1,$2,$3,$4,$5,$6) on conflict (id) do update set display_name=$2, mail=$3,
         mail_nickname=$4, mail_enabled=$5, security_enabled=$6`,
        [
          group.id,
          group.displayName,
          group.mail,
          group.mailNickname,
          group.mailEnabled,
          group.securityEnabled,
        ],
      )
      for (const member of await listAll(`/groups/${String(group.id)}/members?$select=id&$top=999`)) {
        await save('insert into baseline.members values ($1,$2) on conflict do nothing', [
          group.id,
          member.id,
        ])
      }
    }
    for (const sku of await listAll('/subscribedSkus')) {
      await save(
        'insert into baseline.skus values ($1,$2) on conflict (sku_id) do update set part_number=$2',
        [sku.skuId, sku.skuPartNumber],
      )
    }
  } finally {
    await database.end()
  }
}
