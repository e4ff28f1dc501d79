import { writeFile } from 'node:fs/promises'
import { catalogueMarkdown } from '../src/error-catalogue/markdown.ts'

await writeFile(new URL('../docs/errors.md', import.meta.url), catalogueMarkdown())
