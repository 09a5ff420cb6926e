/** What the routes need of an engine. */
export interface Target {
  readonly schedules: {
    get(id: string): Promise<{
      readonly state: 'active' | 'paused' | 'ended'
      readonly pause: { readonly reason?: string | undefined } | undefined
    }>
    run(
      id: string,
      options: { readonly at?: Date; readonly idempotencyKey?: string },
    ): Promise<{ readonly id: string; readonly created: boolean }>
  }
}

export interface Route {
  readonly method: string
  /** The path in words. */
  readonly name: string
  /** Its end, so that any prefix will do; the groups are the parameters. */
  readonly path: RegExp
  answer(target: Target, request: Request, params: readonly string[]): Promise<Response>
}
