import type { ProblemFacts } from '../db/problems.ts'
import { entryOfCode } from '../error-catalogue/catalogue.ts'
import type { EntraSyncError } from '../errors.ts'

/** The problem that a lost access is. Its code is the error's, so that alerts can tell a dead secret from a lost consent. */
export function accessProblem(error: EntraSyncError): ProblemFacts {
  return {
    code: error.code,
    message: error.message,
    remedy: error.remedy ?? 'Check consent and permissions of the app in this Entra tenant.',
    // What the catalogue does not know is a refusal in the customer's directory.
    whoActs: entryOfCode(error.code)?.whoActs ?? 'customer_admin',
    topic: 'access',
    requestId: error.requestId,
  }
}

export function wrongTenant(error: EntraSyncError): ProblemFacts {
  return {
    code: 'wrong_tenant',
    message: error.message,
    remedy: error.remedy ?? 'Check the id of this Entra tenant and the app that reads it.',
    whoActs: 'operator',
    topic: 'organization',
    requestId: error.requestId,
  }
}

export function partialRounds(collection: string, rounds: number, error: EntraSyncError): ProblemFacts {
  return {
    code: `partial_${collection}`,
    message: `${rounds} rounds of ${collection} running could not be read to their ends: ${error.message}`,
    remedy:
      error.remedy ??
      'Nothing was removed. Give Microsoft support the request id if it does not end by itself.',
    whoActs: 'microsoft',
    topic: collection,
    requestId: error.requestId,
  }
}

/** Failed runs in a row after which rounds that Microsoft makes begin again and again are a person's to know. */
export const maxRunsBegunAgain = 3

export function neverEnding(collection: string, failures: number, error: EntraSyncError): ProblemFacts {
  return {
    code: `never_ending_${collection}`,
    message: `${failures} runs in a row could not read ${collection} to the end, because Microsoft made each round begin again: ${error.message}`,
    remedy:
      'Nothing was removed, and it is tried again on its own. Give Microsoft support the request id if it does not end by itself.',
    whoActs: 'microsoft',
    topic: collection,
    requestId: error.requestId,
  }
}

export function drift(collection: string, stored: number, counted: number): ProblemFacts {
  return {
    code: `drift_${collection}`,
    message: `After two full rounds running ${stored} ${collection} are stored where Microsoft counts ${counted}.`,
    remedy: 'Nothing was removed. Check for held changes; if there are none, report it.',
    whoActs: 'operator',
    topic: `drift_${collection}`,
  }
}

export function poison(claims: number): ProblemFacts {
  return {
    code: 'poison',
    message: `${claims} workers in a row died or failed unexpectedly before they had written one page of this Entra tenant.`,
    remedy: 'See the log of the workers for what it was. It is tried again on its own, rarely.',
    whoActs: 'operator',
    topic: 'lease',
  }
}

export function ambiguousPersons(upns: readonly string[]): ProblemFacts {
  return {
    code: 'adoption_ambiguous',
    message: `Several hand-made persons have the user principal name of one user: ${upns.slice(0, 10).join(', ')}. None was adopted.`,
    remedy: 'Remove the duplicates among the hand-made persons.',
    whoActs: 'operator',
    topic: 'adoption',
  }
}
