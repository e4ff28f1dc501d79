import { z } from 'zod'
import packageJson from '../../../package.json' with { type: 'json' }
import type { Route } from './route.ts'

type Schema = Record<string, unknown>

const error = z
  .object({
    error: z.string().meta({ description: 'a stable code' }),
    message: z.string(),
    remedy: z.string().nullable().meta({ description: 'what to do next' }),
    requestId: z.string().optional().meta({ description: "Microsoft's request id, for its support" }),
  })
  .meta({ id: 'Error' })

const failures: Record<number, string> = {
  400: 'The input is wrong.',
  401: 'No sign-in.',
  403: 'A viewer may not do this.',
  404: 'There is no such thing.',
  409: 'It does not go together with how things stand.',
  503: 'Database, queue, configuration or Microsoft do not allow it now.',
}

/** The OpenAPI 3.1 document of these routes: their zod schemas as JSON Schema. `serverUrl` is what clients reach. */
export function openApi(routes: readonly Route[], basePath: string, serverUrl: string): Schema {
  const schemas: Record<string, Schema> = {}
  const paths: Record<string, Record<string, Schema>> = {}
  for (const one of routes) {
    const path = basePath + one.path
    paths[path] = { ...paths[path], [one.method]: operation(one, schemas) }
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'entra-sync',
      version: packageJson.version,
      description:
        'All that console and commands do. Lists are paged by cursor; errors have a code and a remedy.',
    },
    servers: [{ url: serverUrl }],
    security: [{ opsToken: [] }],
    paths,
    components: {
      schemas,
      securitySchemes: {
        opsToken: {
          type: 'http',
          scheme: 'bearer',
          description: 'An ops token. One of a viewer may read, one of an operator may act.',
        },
      },
    },
  }
}

function operation(one: Route, schemas: Record<string, Schema>): Schema {
  const answer = (description: string, schema: Schema, type = 'application/json'): Schema => ({
    description,
    content: { [type]: { schema } },
  })
  const streams = one.follow !== undefined
  const errorSchema = jsonSchema(error, 'output', schemas)
  const hasBody = one.body.type !== 'undefined'
  return {
    operationId: one.operationId,
    summary: one.summary,
    tags: [one.tag],
    'x-role': one.role,
    parameters: [...parameters(one.params, 'path', schemas), ...parameters(one.query, 'query', schemas)],
    ...(hasBody && {
      requestBody: {
        required: !one.body.safeParse({}).success,
        content: { 'application/json': { schema: jsonSchema(one.body, 'input', schemas) } },
      },
    }),
    responses: {
      [one.status]: answer(
        streams ? 'Events, the data of each as this schema says.' : 'Done.',
        jsonSchema(one.response, 'output', schemas),
        ...(streams ? ['text/event-stream'] : []),
      ),
      ...Object.fromEntries(
        Object.entries(failures)
          .filter(([status]) => status !== '403' || one.role === 'operator')
          .map(([status, description]) => [status, answer(description, errorSchema)]),
      ),
    },
  }
}

function parameters(of: z.ZodType, place: 'path' | 'query', schemas: Record<string, Schema>): Schema[] {
  const { properties = {}, required = [] } = jsonSchema(of, 'input', schemas) as {
    properties?: Record<string, Schema>
    required?: string[]
  }
  return Object.entries(properties).map(([name, { description, ...schema }]) => ({
    name,
    in: place,
    required: place === 'path' || required.includes(name),
    ...(description !== undefined && { description }),
    schema,
  }))
}

/** Schemas with an id of their own go to components; the rest stays in place. */
function jsonSchema(of: z.ZodType, io: 'input' | 'output', schemas: Record<string, Schema>): Schema {
  const {
    $schema: _,
    $defs,
    ...schema
  } = z.toJSONSchema(of, {
    io,
    unrepresentable: 'any',
    override({ zodSchema, jsonSchema }) {
      if (zodSchema._zod.def.type === 'date')
        Object.assign(jsonSchema, { type: 'string', format: 'date-time' })
    },
  })
  for (const [name, one] of Object.entries($defs ?? {})) schemas[name] = toComponents(one) as Schema
  return toComponents(schema) as Schema
}

/** References into `$defs` point to components then. */
function toComponents(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(toComponents)
  if (typeof value === 'string') return value.replace(/^#\/\$defs\//, '#/components/schemas/')
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, toComponents(inner)]))
}
