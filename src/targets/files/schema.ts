import { z } from 'zod'

/** How an issue's message ends: `version must be …`. Issues that have words of their own keep them. */
function must(be: string) {
  return {
    error: ({ code }: { code?: string | undefined }) =>
      code === 'invalid_type' || code === 'invalid_value' || code === 'invalid_union' ? be : undefined,
  }
}

/** Text as Postgres takes it: no NUL, no lone surrogates; and nothing that moves a terminal's cursor. */
function text(longest = 200) {
  return z
    .string(must('text'))
    .max(longest)
    .trim()
    .min(1)
    .refine((value) => !/\p{Cc}/u.test(value) && value.isWellFormed(), 'has a control character. Remove it.')
}

const yes = z.literal(true, must('true'))

const groupName = z
  .union(
    [
      text(),
      z.strictObject({
        pattern: text().meta({
          title: 'Pattern',
          description:
            'Groups whose name fits: * stands for anything, ? for one character. Letter case does not count.',
          examples: ['Eng*'],
        }),
      }),
    ],
    must('a name, or a map with pattern'),
  )
  .meta({
    title: 'Groups of a name, in every tenant',
    description:
      'Whoever is in a group of this name, in each tenant that the deployment reaches. A map with pattern takes every group whose name fits.',
    examples: ['Engineering', { pattern: 'Eng*' }],
  })

const license = z
  .union(
    [
      text(),
      z.strictObject({
        sku: text().meta({ title: 'SKU', description: 'SKU id, or part number as Microsoft writes it.' }),
      }),
      z.strictObject({
        plan: text().meta({ title: 'Service plan', description: 'Service plan id or service plan name.' }),
      }),
    ],
    must('a SKU or service plan, or a map with sku or with plan'),
  )
  .meta({
    title: 'Licensed persons',
    description:
      'Whoever has this licence. SKU id, SKU part number, service plan id or service plan name; a map with sku or plan where a name is both.',
    examples: ['SPE_E5', 'VISIO_CLIENT_SUBSCRIPTION', { plan: 'INTUNE_A' }],
  })

/** Exactly one key; `checks.ts` tells of none and of several. */
export const target = z
  .strictObject(
    {
      everyone: yes
        .optional()
        .meta({ title: 'Everyone', description: 'Every person. The only value is true.' }),
      group: text()
        .optional()
        .meta({
          title: 'Group',
          description:
            'Members of one group, at any depth: its object id, or its name within the tenant of the deployment.',
          examples: ['Engineering'],
        }),
      team: text().optional().meta({
        title: 'Team',
        description:
          'Members of one Team: its group object id, or its name within the tenant of the deployment.',
      }),
      group_name: groupName.optional(),
      license: license.optional(),
      app_entitlement: text()
        .optional()
        .meta({
          title: 'App entitlement',
          description: 'Whoever is entitled to this desktop product by a licence.',
          examples: ['m365_apps_enterprise', 'm365_apps_business', 'project_desktop', 'visio_desktop'],
        }),
      tag: text().optional().meta({ title: 'Tag', description: 'Whoever has this tag.' }),
      person: text()
        .optional()
        .meta({
          title: 'Person',
          description: 'One person: user principal name or person id.',
          examples: ['adele@contoso.com'],
        }),
      computer: text()
        .optional()
        .meta({ title: 'Computer', description: 'One computer: name or computer id.' }),
    },
    must('a map such as { group: Engineering }'),
  )
  .meta({ minProperties: 1, maxProperties: 1 })

const lists = (what: string, hint: string) =>
  z
    .array(text(), must(`a list, as in [${hint}]`))
    .min(1)
    .optional()
    .meta({ title: what })

const filters = z
  .strictObject(
    {
      enabled: z
        .union([z.boolean(), z.literal('any')], must('true, false or any'))
        .optional()
        .meta({
          title: 'Accounts',
          description: 'true (default): enabled accounts only. false: disabled ones only. any: both.',
          default: true,
        }),
      guests: z
        .enum(['exclude', 'include', 'only'], must('exclude, include or only'))
        .optional()
        .meta({ title: 'Guests', description: 'Default: exclude.', default: 'exclude' }),
      departments: lists('Departments', 'Sales, Engineering').meta({
        description:
          'Persons of one of these departments only. Letter case does not count. Computers in groups are left out.',
      }),
      domains: lists('Domains', 'contoso.com').meta({
        description:
          'Persons with a user principal name in one of these domains only. Letter case does not count. Computers in groups are left out.',
      }),
    },
    must('a map, as in { guests: include }'),
  )
  .meta({ title: 'Filters', description: 'Whom of the target it reaches.' })

export const deployment = z.strictObject(
  {
    name: text().meta({
      title: 'Name',
      description: 'What the deployment is known by. A deployment of this name is changed, not doubled.',
    }),
    item: text().meta({
      title: 'Maintenance item',
      description: 'Name of the software or task. One that is not known is made as software.',
    }),
    version: z
      .union([text(100), z.number()], must('latest, any, or a version as text or number'))
      .transform(String)
      .transform((version) => (/^(latest|any)$/i.test(version) ? version.toLowerCase() : version))
      .default('latest')
      .meta({
        title: 'Version',
        description: 'latest (default), any, or an exact version as its vendor writes it.',
        examples: ['latest', 'any', 2022, '1.10'],
      }),
    desired_state: z
      .enum(
        ['installed', 'uninstalled', 'update_if_found', 'ignored'],
        must('installed, uninstalled, update_if_found or ignored'),
      )
      .default('installed')
      .meta({
        title: 'Desired state',
        description:
          'installed (default); uninstalled; update_if_found: brought to the version where it is there; ignored: left as it is, whatever other deployments say.',
      }),
    enforcement: z
      .enum(['required', 'onboarding', 'ad_hoc'], must('required, onboarding or ad_hoc'))
      .default('required')
      .meta({
        title: 'Enforcement',
        description:
          'required (default): always; onboarding: with new computers; ad_hoc: when somebody asks for it.',
      }),
    scope: z
      .enum(
        ['cross_tenant', 'single_tenant', 'individual'],
        must('cross_tenant, single_tenant or individual'),
      )
      .optional()
      .meta({
        title: 'Scope',
        description:
          'Follows from the rest and may be left out: individual for a person or computer, single_tenant with a tenant or with a group or Team by id, else cross_tenant.',
      }),
    tenant: text().optional().meta({
      title: 'Tenant',
      description:
        'Name, slug or id of the tenant that it is for, with those below it. For a person or computer: where to look for it.',
    }),
    target: target.meta({ title: 'Target', description: 'Who gets it: exactly one key.' }),
    exclude: z
      .array(target.meta({ title: 'Excluded' }), must('a list of targets, as in [{ tag: kiosk }]'))
      .default([])
      .meta({ title: 'Excluded', description: 'Whom it does not reach all the same.' }),
    filters: filters.optional(),
    enabled: z
      .boolean(must('true or false'))
      .default(true)
      .meta({ title: 'Enabled', description: 'false: kept, but without effect. Default: true.' }),
    rank: z.int(must('a whole number')).min(-2_147_483_648).max(2_147_483_647).default(100).meta({
      title: 'Rank',
      description: 'Between deployments of equal scope and target the lower one wins. Default: 100.',
    }),
  },
  must('a map with name, item and target'),
)

export const item = z.strictObject(
  {
    name: text().meta({
      title: 'Name',
      description: 'What deployments call it. Letter case does not count.',
    }),
    kind: z
      .enum(['software', 'task'], must('software or task'))
      .optional()
      .meta({ title: 'Kind', description: 'software or task. An item that is made without it is software.' }),
  },
  must('a map with name and kind'),
)

/** The file with any lists: entries are parsed one by one. */
export const outsideOfFile = z.strictObject(
  {
    $schema: text(2000)
      .optional()
      .meta({ title: 'JSON Schema', description: 'For editors, in JSON files. Without effect.' }),
    source: text().optional().meta({
      title: 'Source',
      description:
        'What --prune knows this file by: it removes only deployments of the same source. Default: the name of the file.',
    }),
    items: z.array(z.unknown(), must('a list of items')).optional(),
    deployments: z.array(z.unknown(), must('a list of deployments')),
  },
  must('a map with deployments'),
)

/** The one source of what a deployment file may hold: parser, JSON Schema and documentation follow it. */
export const deploymentFile = outsideOfFile
  .extend({
    items: z.array(item).optional().meta({
      title: 'Maintenance items',
      description: 'Needed for tasks only: an item that is not listed is software.',
    }),
    deployments: z
      .array(deployment)
      .meta({ title: 'Deployments', description: 'Who gets which maintenance item.' }),
  })
  .meta({ title: 'entra-sync deployment file' })

export type DeploymentEntry = z.output<typeof deployment>
export type ItemEntry = z.output<typeof item>
export type TargetEntry = z.output<typeof target>
export type TargetKey = keyof TargetEntry

/** Keys that are known at a place, by the last name on the way to it; '' = the file. */
export const knownKeys: Readonly<Record<string, readonly string[]>> = {
  '': Object.keys(deploymentFile.shape),
  items: Object.keys(item.shape),
  deployments: Object.keys(deployment.shape),
  target: Object.keys(target.shape),
  exclude: Object.keys(target.shape),
  filters: Object.keys(filters.shape),
  group_name: ['pattern'],
  license: ['sku', 'plan'],
}
