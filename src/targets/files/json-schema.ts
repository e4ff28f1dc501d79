import { z } from 'zod'
import { deploymentFile } from './schema.ts'

/** The JSON Schema of deployment files, for editors; draft 7, which all of them know. Ends with a line break. */
export function deploymentsJsonSchema(): string {
  const schema = z.toJSONSchema(deploymentFile, { target: 'draft-07', io: 'input' })
  return `${JSON.stringify(schema, null, 2)}\n`
}
