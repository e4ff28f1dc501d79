import { glob, readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../', import.meta.url))

/**
 * Where `code` is no code of an error or problem: who reads it there has the sentence beside it, and nothing stores it.
 * Files are whole, codes one by one.
 */
const others: Record<string, true | string[]> = {
  'src/error-catalogue/': true,
  // Findings in a deployment file, told with line, column and what to write instead; docs/deployments.md.
  'src/targets/files/': true,
  // Requirements of the pre-flight, met or not.
  'src/consent/preconsent/judge-customer.ts': true,
  'src/consent/preconsent/judge-partner.ts': true,
  'src/consent/preconsent/preflight.ts': true,
  // Why a customer was left out of an import.
  'src/consent/customers/import-customers.ts': ['tenant_matches', 'offboarded', 'standalone'],
  // An issue of zod's.
  'src/http/api/route.ts': ['custom'],
  // Fields of an OAuth answer and of an HTTP page.
  'src/graph/user-tokens.ts': ['device_code'],
}

/** `code: …` of errors and problems, up to the comma, and the first argument of those who make errors of a code. */
const places = [
  /(?:^\s*|[{(,]\s*)code:\s*([^,\n]+)/gm,
  /\b(?:malformed|catalogueError|refusal)\(\s*('[^']+')/g,
  /\breturn ('network_[^']+'|`network_[^`]+`)/g,
]
const literal = /'([a-z][a-z0-9]*(?:_[a-z0-9]+)+|[a-z]{5,})'|`([^`]*)`/g

/** What a template may come to: its fixed values, or the family that the catalogue has an entry for. */
const templates: Record<string, string[]> = {
  'graph_${answer.status}': ['graph_nnn'],
  'login_${status}': ['login_nnn'],
  '${String(deadline.reason)}_timeout': ['headers_timeout', 'page_timeout'],
  'postgres_${code.toLowerCase()}': ['postgres_xxx'],
  'network_${at.code.toLowerCase()}': ['network_xxx'],
  'tenant_${state}': ['tenant_gone', 'tenant_offboarded'],
  '${what}_unknown': ['tenant_unknown', 'deployment_unknown'],
  'partial_${collection}': ['partial_users', 'partial_groups', 'partial_skus', 'partial_devices'],
  'never_ending_${collection}': ['never_ending_users', 'never_ending_groups', 'never_ending_devices'],
  'drift_${collection}': ['drift_users', 'drift_groups'],
}

export interface UsedCode {
  code: string
  file: string
}

/** Every code that the sources give an error or a problem. Throws on a template that nobody has said the values of. */
export async function usedCodes(): Promise<UsedCode[]> {
  const used: UsedCode[] = []
  for await (const file of glob('src/**/*.ts', { cwd: root })) {
    const [, other] = Object.entries(others).find(([path]) => file.startsWith(path)) ?? []
    if (other === true) continue
    const text = await readFile(root + file, 'utf8')
    for (const place of places)
      for (const [, value = ''] of text.matchAll(place)) {
        if (/^(z\.|string\b)/.test(value)) continue
        // Of `a === 'x' ? 'y' : 'z'` the values, not what is compared.
        for (const [, plain, template] of value.replaceAll(/[!=]==\s*'[^']*'/g, '').matchAll(literal)) {
          const codes = plain === undefined ? templates[template ?? ''] : [plain]
          if (codes === undefined) throw new Error(`${file}: which codes may \`${template}\` be?`)
          for (const code of codes) if (other?.includes(code) !== true) used.push({ code, file })
        }
      }
  }
  return used
}
