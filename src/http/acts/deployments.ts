import { z } from 'zod'
import { EntraSyncError } from '../../errors.ts'
import type { TargetContext } from '../../targets/context.ts'
import { applyFile, type Applied } from '../../targets/deployments/apply.ts'
import {
  listDeployments,
  targetsByTenant,
  type ListedDeployment,
  type TenantOfDeployment,
} from '../../targets/deployments/list.ts'
import { readDeploymentDocument } from '../../targets/files/read.ts'
import { deploymentFile } from '../../targets/files/schema.ts'
import type { ConsoleDeps } from '../console-deps.ts'

const { $schema: _, ...fileSchema } = z.toJSONSchema(deploymentFile, { io: 'input' })

/** A deployment file as JSON. It is read by what reads files, which tells all that is wrong with it at once. */
export const documentInput = z.record(z.string(), z.unknown()).meta({ ...fileSchema, id: 'DeploymentFile' })

/** What deployments without a file come from, in deployments.source. */
const noFile = 'table'

export function targetContext({ db, log, guard, licenseGraceMs }: ConsoleDeps): TargetContext {
  return { db, log, guard, licenseGraceMs }
}

/**
 * Applies a document, or (`keep` false) tells what that would do. One that names no source is nobody's file.
 * @throws kind `input`, code `source_needed`: without a source there is nothing of its own to remove
 */
export async function applyDocument(
  deps: ConsoleDeps,
  document: Record<string, unknown>,
  options: { prune: boolean; keep: boolean; actor: string; sampledTenants: number },
): Promise<Applied> {
  const parsed = readDeploymentDocument(document, 'document')
  const source = 'source' in document ? parsed.source : noFile
  if (options.prune && source === noFile) {
    throw new EntraSyncError('input', 'Without a source there is nothing that could be pruned.', {
      code: 'source_needed',
      remedy: 'Give the document a source, with which its deployments were applied.',
    })
  }
  return applyFile(targetContext(deps), { ...parsed, source }, options)
}

/** An error that tells the first problems of a document. */
export function documentInvalid({ problems }: Applied): EntraSyncError {
  const errors = problems.filter(({ severity }) => severity === 'error')
  const told = errors.slice(0, 20).map(({ place: { path }, message }) => `${path || 'document'}: ${message}`)
  const rest = errors.length - told.length
  return new EntraSyncError('input', `${told.join(' ')}${rest > 0 ? ` And ${rest} more errors.` : ''}`, {
    code: 'deployment_file_invalid',
    remedy: 'Correct what is named; nothing of it was applied.',
  })
}

/**
 * One deployment and where it wins, by its name or id.
 * @throws kind `input`, code `deployment_unknown`
 */
export async function readDeployment(
  { db }: Pick<ConsoleDeps, 'db'>,
  by: { names: string[] } | { ids: string[] },
): Promise<ListedDeployment & { targets: TenantOfDeployment[] }> {
  const [deployment] = await listDeployments(db, { ...by, warnings: 100 })
  if (deployment === undefined) {
    throw new EntraSyncError('input', 'There is no such deployment.', {
      code: 'deployment_unknown',
      remedy: 'The list of deployments shows all of them.',
    })
  }
  return { ...deployment, targets: await targetsByTenant(db, deployment.deploymentId) }
}
