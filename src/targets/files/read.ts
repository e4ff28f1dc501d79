import { basename } from 'node:path'
import { z } from 'zod'
import { checkTogether } from './checks.ts'
import { documentOf, readDocument, type ReadDocument } from './document.ts'
import { findingsOf, mostProblems, type Finding } from './issues.ts'
import { inOrder, pathText } from './places.ts'
import { deployment, item, outsideOfFile } from './schema.ts'
import type { ParsedFile, Placed } from './types.ts'

/**
 * Reads a deployment file, YAML or JSON. Never throws: all that is wrong with it is in `problems`, with its place, and
 * entries with errors are left out of `items` and `deployments`. `fileName` is what places call it; its base name is the
 * source unless the file says otherwise.
 */
export function readDeploymentFile(text: string, fileName: string): ParsedFile {
  return judged(readDocument(text, fileName), fileName)
}

/** The same of one that came as JSON; places have their path only. */
export function readDeploymentDocument(document: Record<string, unknown>, fileName: string): ParsedFile {
  return judged(documentOf(document, fileName), fileName)
}

function judged(document: ReadDocument, fileName: string): ParsedFile {
  const { value, problems: found, placeOf, placeOfKey } = document
  const problems = [...found]
  const parsed: ParsedFile = {
    fileName,
    source: basename(fileName),
    items: [],
    deployments: [],
    problems,
    placeOf,
  }
  if (value === undefined) return { ...parsed, problems: inOrder(problems).slice(0, mostProblems) }

  const outer = outsideOfFile.safeParse(value)
  const items = parseEach(value, 'items', item)
  const deployments = parseEach(value, 'deployments', deployment)
  const findings = [
    ...findingsOf(outer.error?.issues ?? [], value),
    ...items.findings,
    ...deployments.findings,
    ...checkTogether(value, parsed.source),
  ]
  for (const { code, path, message, atKey } of findings.slice(0, mostProblems)) {
    const place = atKey ? placeOfKey(path) : placeOf(path)
    // An alias that leads nowhere is a value that is missing: one fault, told once.
    const known = found.some((one) => one.place.line === place.line && one.place.column === place.column)
    if (!known) problems.push({ severity: 'error', code, message, place })
  }
  const faulty = new Set(findings.map(({ path: [list, at] }) => pathText([list ?? '', at ?? ''])))
  const sound = ({ path }: Placed<unknown>): boolean => !faulty.has(pathText(path))
  return {
    ...parsed,
    source: sourceOf(value) ?? parsed.source,
    items: items.entries.filter(sound),
    deployments: deployments.entries.filter(sound),
    problems: inOrder(problems).slice(0, mostProblems),
  }
}

/** Entries of a list one by one, so that a wrong one does not hide those that are right. */
function parseEach<T>(
  file: unknown,
  list: 'items' | 'deployments',
  schema: z.ZodType<T>,
): { entries: Placed<T>[]; findings: Finding[] } {
  const given = z.object({ [list]: z.array(z.unknown()) }).safeParse(file)
  const entries: Placed<T>[] = []
  const findings: Finding[] = []
  for (const [at, each] of (given.data?.[list] ?? []).entries()) {
    if (findings.length >= mostProblems) break
    const path = [list, at]
    const read = schema.safeParse(each)
    if (read.success) entries.push({ entry: read.data, path })
    else findings.push(...findingsOf(read.error.issues, file, path))
  }
  return { entries, findings }
}

/** The source, though anything else of the file may be wrong. */
function sourceOf(file: unknown): string | undefined {
  return z.object({ source: outsideOfFile.shape.source }).safeParse(file).data?.source
}
