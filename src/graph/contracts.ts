import { z } from 'zod'
import type { GraphClient } from './client.ts'
import { cleanText, parseObjects } from './objects.ts'

/** A reseller's contract with a customer. Name and domain are copies from the time of the contract. */
export interface Contract {
  entraTenantId: string
  defaultDomain: string
}

const contractsSchema = z.array(
  z.object({ customerId: z.string().nullish(), defaultDomainName: z.string().nullish() }),
)

const guid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

/**
 * Pages of the partner's contracts that tell customer and domain; `client` is of the partner's tenant. Needs
 * Directory.Read.All, and does not know customers that have GDAP relationships only: an aid, never a list of customers.
 * @see https://learn.microsoft.com/graph/api/contract-list
 */
export async function* listContracts(
  client: GraphClient,
  options: { signal?: AbortSignal | undefined } = {},
): AsyncGenerator<Contract[], void, undefined> {
  const resource = '/contracts'
  for await (const page of client.pages(`${resource}?$top=999`, options)) {
    yield parseObjects(contractsSchema, page.value, resource).flatMap(({ customerId, defaultDomainName }) => {
      const defaultDomain = cleanText(defaultDomainName ?? '')
        .trim()
        .toLowerCase()
      return customerId && guid.test(customerId) && defaultDomain !== ''
        ? [{ entraTenantId: customerId.toLowerCase(), defaultDomain }]
        : []
    })
  }
}
