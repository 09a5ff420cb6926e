import { PrismaPg } from '@prisma/adapter-pg'
import { getPrismaClient } from '@prisma/client/runtime/client'

// What `prisma generate` of 7.10.0 makes of the schema below, without the types. Kept here because Prisma's command line
// wants to download a binary even for this; the client itself is the real one and needs nothing but npm.
// To do it again: run the generator "prisma-client" on `inlineSchema` and copy the config from internal/class.ts.
const compiler = '@prisma/client/runtime/query_compiler_small_bg.postgresql'

// The types of Node 20 do not have it as a value.
const { WebAssembly } = globalThis as unknown as { WebAssembly: { Module: new (bytes: Uint8Array) => object } }

const Client = getPrismaClient({
  previewFeatures: [],
  clientVersion: '7.10.0',
  engineVersion: '0edf323efd1d98336f3f0a68684b56f689b900d3',
  activeProvider: 'postgresql',
  inlineSchema: `
    datasource db {
      provider = "postgresql"
    }

    model note {
      id   Int    @id @default(autoincrement())
      body String
    }`,
  runtimeDataModel: JSON.parse(`{
    "models": {
      "note": {
        "fields": [{ "name": "id", "kind": "scalar", "type": "Int" }, { "name": "body", "kind": "scalar", "type": "String" }],
        "dbName": null,
        "schema": null
      }
    },
    "enums": {},
    "types": {}
  }`),
  parameterizationSchema: {
    strings: [
      'where',
      'note.findUnique',
      'note.findUniqueOrThrow',
      'orderBy',
      'cursor',
      'note.findFirst',
      'note.findFirstOrThrow',
      'note.findMany',
      'data',
      'note.createOne',
      'note.createMany',
      'note.createManyAndReturn',
      'note.updateOne',
      'note.updateMany',
      'note.updateManyAndReturn',
      'create',
      'update',
      'note.upsertOne',
      'note.deleteOne',
      'note.deleteMany',
      'having',
      '_count',
      '_avg',
      '_sum',
      '_min',
      '_max',
      'note.groupBy',
      'note.aggregate',
      'AND',
      'OR',
      'NOT',
      'id',
      'body',
      'equals',
      'in',
      'notIn',
      'lt',
      'lte',
      'gt',
      'gte',
      'contains',
      'startsWith',
      'endsWith',
      'not',
      'set',
      'increment',
      'decrement',
      'multiply',
      'divide',
    ],
    graph:
      'KwsQBRwAACIAMB0AAAQAEB4AACIAMB8CAAAAASABACQAIQEAAAABACABAAAAAQAgBRwAACIAMB0AAAQAEB4AACIAMB8CACMAISABACQAIQADAAAABAAgAwAABQAwBAAAAQAgAwAAAAQAIAMAAAUAMAQAAAEAIAMAAAAEACADAAAFADAEAAABACACHwIAAAABIAEAAAABAQgAAAkAIAIfAgAAAAEgAQAAAAEBCAAACwAwAQgAAAsAMAIfAgArACEgAQAqACECAAAAAQAgCAAADgAgAh8CACsAISABACoAIQIAAAAEACAIAAAQACACAAAABAAgCAAAEAAgAwAAAAEAIA8AAAkAIBAAAA4AIAEAAAABACABAAAABAAgBRUAACUAIBYAACYAIBcAACkAIBgAACgAIBkAACcAIAUcAAAaADAdAAAXABAeAAAaADAfAgAbACEgAQAcACEDAAAABAAgAwAAFgAwFAAAFwAgAwAAAAQAIAMAAAUAMAQAAAEAIAUcAAAaADAdAAAXABAeAAAaADAfAgAbACEgAQAcACENFQAAHgAgFgAAIQAgFwAAHgAgGAAAHgAgGQAAHgAgIQIAAAABIgIAAAAEIwIAAAAEJAIAAAABJQIAAAABJgIAAAABJwIAAAABKwIAIAAhDhUAAB4AIBgAAB8AIBkAAB8AICEBAAAAASIBAAAABCMBAAAABCQBAAAAASUBAAAAASYBAAAAAScBAAAAASgBAAAAASkBAAAAASoBAAAAASsBAB0AIQ4VAAAeACAYAAAfACAZAAAfACAhAQAAAAEiAQAAAAQjAQAAAAQkAQAAAAElAQAAAAEmAQAAAAEnAQAAAAEoAQAAAAEpAQAAAAEqAQAAAAErAQAdACEIIQIAAAABIgIAAAAEIwIAAAAEJAIAAAABJQIAAAABJgIAAAABJwIAAAABKwIAHgAhCyEBAAAAASIBAAAABCMBAAAABCQBAAAAASUBAAAAASYBAAAAAScBAAAAASgBAAAAASkBAAAAASoBAAAAASsBAB8AIQ0VAAAeACAWAAAhACAXAAAeACAYAAAeACAZAAAeACAhAgAAAAEiAgAAAAQjAgAAAAQkAgAAAAElAgAAAAEmAgAAAAEnAgAAAAErAgAgACEIIQgAAAABIggAAAAEIwgAAAAEJAgAAAABJQgAAAABJggAAAABJwgAAAABKwgAIQAhBRwAACIAMB0AAAQAEB4AACIAMB8CACMAISABACQAIQghAgAAAAEiAgAAAAQjAgAAAAQkAgAAAAElAgAAAAEmAgAAAAEnAgAAAAErAgAeACELIQEAAAABIgEAAAAEIwEAAAAEJAEAAAABJQEAAAABJgEAAAABJwEAAAABKAEAAAABKQEAAAABKgEAAAABKwEAHwAhAAAAAAABLAEAAAABBSwCAAAAAS0CAAAAAS4CAAAAAS8CAAAAATACAAAAAQAAAAAFFQAGFgAHFwAIGAAJGQAKAAAAAAAFFQAGFgAHFwAIGAAJGQAKAQIBAgMBBQYBBgcBBwgBCQoBCgwCCw0DDA8BDRECDhIEERMBEhQBExUCGhgFGxkL',
  },
  compilerWasm: {
    getRuntime: () => import(`${compiler}.mjs`),
    getQueryCompilerWasmModule: async () => {
      const { wasm } = (await import(`${compiler}.wasm-base64.mjs`)) as { wasm: string }
      return new WebAssembly.Module(Buffer.from(wasm, 'base64'))
    },
    importName: './query_compiler_small_bg.js',
  },
})

/** What the generated types would say, as far as the tests go. */
export interface PrismaTransaction {
  readonly note: { create(args: { data: { body: string } }): Promise<unknown> }
}

export interface PrismaClient extends PrismaTransaction {
  $transaction<T>(work: (tx: PrismaTransaction) => Promise<T>): Promise<T>
  $extends(extension: object): PrismaClient
  $disconnect(): Promise<void>
}

/** A real Prisma client on a database that has the table of the schema. */
export function prismaClient(connectionString: string): PrismaClient {
  return new Client({ adapter: new PrismaPg({ connectionString }) }) as unknown as PrismaClient
}
