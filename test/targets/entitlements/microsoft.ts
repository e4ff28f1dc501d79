import { readFile } from 'node:fs/promises'

/** Why a service plan gives no desktop product to a person. */
export const reasons = {
  activation: 'permits shared computer activation of apps that another plan gives',
  device: 'is assigned to devices',
  mobile: 'is for phones and tablets',
  server: 'is the server side of Project',
  service: 'belongs to a product of that name, without a desktop product',
  unattended: 'is for robots',
  viewer: 'shows projects in the browser',
  web: 'is for the browser',
} as const

export interface ServicePlan {
  no: string
  id: string
  name: string
  /** Entitlement; '' = none. */
  gives: string
  /** A key of `reasons`; '' = it gives one. */
  whyNot: string
}

export interface MicrosoftSku {
  id: string
  part: string
  product: string
  gives: string[]
  plans: ServicePlan[]
}

/**
 * Of Microsoft's table of product names and service plan identifiers (state of 29 July 2026): the service plans whose
 * name, or what it is called, has to do with Office, Project, Visio or their web and mobile apps, and the SKUs that hold
 * any of them with what a person gets by each.
 */
export async function readMicrosoftTable(): Promise<{ plans: ServicePlan[]; skus: MicrosoftSku[] }> {
  const plans = (await rowsOf('service-plans.csv')).map(
    ([no = '', id = '', name = '', gives = '', whyNot = '']) => ({ no, id, name, gives, whyNot }),
  )
  const byNo = new Map(plans.map((plan) => [plan.no, plan]))
  const skus = (await rowsOf('skus.csv')).map(
    ([id = '', part = '', product = '', gives = '', held = '']) => ({
      id,
      part,
      product,
      gives: words(gives),
      plans: words(held).map((no) => {
        const plan = byNo.get(no)
        if (plan === undefined) throw new Error(`skus.csv names a plan ${no} that service-plans.csv lacks.`)
        return plan
      }),
    }),
  )
  return { plans, skus }
}

const words = (text: string): string[] => text.split(' ').filter((word) => word !== '')

async function rowsOf(name: string): Promise<string[][]> {
  const text = await readFile(new URL(name, import.meta.url), 'utf8')
  return text.trimEnd().split('\n').slice(1).map(cellsOf)
}

function cellsOf(line: string): string[] {
  return [...line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)].map(
    ([, quoted, plain = '']) => quoted?.replaceAll('""', '"') ?? plain,
  )
}
