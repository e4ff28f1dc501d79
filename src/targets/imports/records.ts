import { CsvError, parse } from 'csv-parse/sync'
import { z } from 'zod'

/** One record of a file; keys that it does not have are left alone, which is not the same as empty ones. */
export interface FileRecord {
  /** "line 12" of a CSV file, "record 3" of a JSON one. */
  place: string
  values: Record<string, unknown>
}

export interface RecordProblem {
  place: string
  message: string
}

export interface ReadRecords {
  records: FileRecord[]
  problems: RecordProblem[]
}

/** 100,000 computers are some 15 MB. */
export const largestFile = 100 * 1024 * 1024

/**
 * Reads records from CSV (RFC 4180, with a header) or a JSON array of objects; never throws for what the file holds. All
 * records must be UTF-8 text; control characters have no place in names.
 */
export function readRecords(bytes: Uint8Array): ReadRecords {
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return failed('the file', 'It is no UTF-8 text. Save it as UTF-8 ("CSV UTF-8" in Excel).')
  }
  return text.trimStart().startsWith('[') ? readJson(text) : readCsv(text)
}

function readJson(text: string): ReadRecords {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    return failed('the file', `It is no JSON: ${error instanceof Error ? error.message : String(error)}`)
  }
  const parsed = z.array(z.unknown()).safeParse(value)
  if (!parsed.success) return failed('the file', 'It must be an array of objects.')
  const result: ReadRecords = { records: [], problems: [] }
  for (const [index, one] of parsed.data.entries()) {
    const place = `record ${index + 1}`
    const record = z.record(z.string(), z.unknown()).safeParse(one)
    if (record.success) result.records.push({ place, values: record.data })
    else result.problems.push({ place, message: 'It must be an object.' })
  }
  return result
}

interface CsvRow {
  record: Record<string, string>
  info: { lines: number }
}

function readCsv(text: string): ReadRecords {
  try {
    // The types of csv-parse tell of plain records only; `info` makes each one a pair.
    const rows = parse(text, {
      bom: true,
      columns: (header: string[]) => header.map((name) => name.trim().toLowerCase()),
      delimiter: [',', ';', '\t'],
      info: true,
      skip_empty_lines: true,
      trim: true,
      max_record_size: 64 * 1024,
    }) as unknown as CsvRow[]
    return {
      records: rows.map(({ record, info }) => ({ place: `line ${info.lines}`, values: record })),
      problems: [],
    }
  } catch (error) {
    if (!(error instanceof CsvError)) throw error
    const line = typeof error['lines'] === 'number' ? `line ${error['lines']}` : 'the file'
    return failed(line, error.message)
  }
}

function failed(place: string, message: string): ReadRecords {
  return { records: [], problems: [{ place, message }] }
}

/** Parses each record; what is wrong with any of them is told, all at once. */
export function parseRecords<T>(
  { records, problems }: ReadRecords,
  schema: z.ZodType<T>,
): { rows: { place: string; row: T }[]; problems: RecordProblem[] } {
  const rows: { place: string; row: T }[] = []
  const found = [...problems]
  for (const { place, values } of records) {
    const parsed = schema.safeParse(values)
    if (parsed.success) rows.push({ place, row: parsed.data })
    else
      for (const issue of parsed.error.issues)
        found.push({ place, message: `${issue.path.join('.') || 'record'}: ${issue.message}` })
  }
  return { rows, problems: found }
}

/** Text of a field: trimmed, of one line, at most `longest` characters; '' where it may be empty. */
export function fieldText(longest: number): z.ZodType<string> {
  return z
    .union([z.string(), z.null()])
    .transform((text) => (text ?? '').trim())
    .refine((text) => text.length <= longest, `has more than ${longest} characters`)
    .refine((text) => !/[\p{Cc}\p{Cs}]/u.test(text), 'holds control characters')
}

/** An id, or '' for none. */
export const fieldId: z.ZodType<string> = z
  .union([z.string(), z.null()])
  .transform((text) => (text ?? '').trim().toLowerCase())
  .refine((text) => text === '' || /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(text), 'must be a GUID')
