import { writeFile } from 'node:fs/promises'
import { deploymentsJsonSchema } from '../src/targets/files/json-schema.ts'

await writeFile(new URL('../schemas/deployments.schema.json', import.meta.url), deploymentsJsonSchema())
