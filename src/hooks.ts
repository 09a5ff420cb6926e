/** What legwork/testing asks of an engine beyond the public API. */
export interface EngineHooks {
  /** Whether this process holds jobs. */
  readonly busy: boolean
  /** `patient`: jobs that gather for a batch are left to do so. */
  idle(patient?: boolean): Promise<void>
  /** Resolves when no statement is under way: at most handlers run. */
  calm(): Promise<void>
  /** Ends as a killed process does: nobody is told, nothing is handed back. */
  abandon(): Promise<void>
}
