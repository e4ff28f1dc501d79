import { z } from 'zod'
import { must, target, text } from './target-schema.ts'

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
