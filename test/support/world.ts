/** What the global set-up of a project hands to its tests: where copies of a prepared database come from. */
export type World =
  | { readonly kind: 'pglite'; readonly migrated: string; readonly empty: string }
  | { readonly kind: 'postgres'; readonly url: string; readonly migrated: string; readonly empty: string }

declare module 'vitest' {
  interface ProvidedContext {
    world: World
  }
}
