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

/** More than anybody reads; millions of them would not fit into memory. */
const mostProblems = 10_000

export interface ReadRecords {
  records: FileRecord[]
  problems: RecordProblem[]
}

/** 100,000 computers are some 15 MB. */
export const largestFile = 100 * 1024 * 1024

/** Both made of one line of 100 MB of commas, or of 25 million short ones, more than four gigabytes of memory. */
const longestLine = 64 * 1024
const mostRecords = 2_000_000
const tooMany = { place: 'the file', message: `It has more than ${mostRecords} records. Split it.` }

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
  const read = text.trimStart().startsWith('[') ? readJson(text) : readCsv(text)
  // An export that failed: "0 imported" would be told as a success, night after night.
  return read.records.length + read.problems.length > 0
    ? read
    : failed('the file', 'There is no record in it.')
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
  if (parsed.data.length > mostRecords) return { records: [], problems: [tooMany] }
  const result: ReadRecords = { records: [], problems: [] }
  for (const [index, one] of parsed.data.entries()) {
    const place = `record ${index + 1}`
    const record = z.record(z.string(), z.unknown()).safeParse(one)
    if (record.success) result.records.push({ place, values: record.data })
    else result.problems.push({ place, message: 'It must be an object.' })
  }
  return result
}

function readCsv(text: string): ReadRecords {
  const unfit = lineProblem(text)
  if (unfit !== null) return { records: [], problems: [unfit] }
  let header: string[] = []
  let lastLine = 0
  try {
    const records = parse<FileRecord, Record<string, string>>(text, {
      bom: true,
      columns: (names) => (header = names.map((name) => name.trim().toLowerCase())),
      delimiter: [',', ';', '\t'],
      skip_empty_lines: true,
      trim: true,
      max_record_size: longestLine,
      // Found by the parser in the first line otherwise, and then wrong for what another program has appended.
      record_delimiter: ['\r\n', '\n', '\r'],
      on_record: (values, { lines }) => {
        lastLine = lines
        return { place: `line ${lines}`, values }
      },
    })
    const names = new Set(header)
    // The last of two wins in the parser: with `Tenant,name,tenant` computers went to the wrong tenant.
    if (names.has('') || names.size < header.length)
      return failed('the header', 'Each column must have a name of its own.')
    return { records, problems: [] }
  } catch (error) {
    if (!(error instanceof CsvError)) throw error
    // The parser names the last line of the file.
    if (error.code === 'CSV_QUOTE_NOT_CLOSED')
      return failed(`after line ${Math.max(1, lastLine)}`, 'A quote (") is opened here and closed nowhere.')
    const line = typeof error['lines'] === 'number' ? `line ${error['lines']}` : 'the file'
    return failed(line, error.message)
  }
}

function lineProblem(text: string): RecordProblem | null {
  let line = 0
  let start = 0
  for (const { index, 0: end } of text.matchAll(/\r\n|\r|\n|$/g)) {
    line += 1
    if (index - start > longestLine) return { place: `line ${line}`, message: 'It is longer than 64 kB.' }
    if (line > mostRecords) return tooMany
    start = index + end.length
  }
  return null
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
    if (found.length >= mostProblems) break
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
