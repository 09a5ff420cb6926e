import { AsyncLocalStorage } from 'node:async_hooks'

const within = new AsyncLocalStorage<Scope>()

/**
 * A group while its function runs: what is begun inside of it is named after it and ends with it. Each belongs to one
 * run: a handler that was woken from inside of another one's group is not in that group.
 */
export class Scope {
  readonly name: string
  readonly #owner: object
  readonly #outer: Scope | undefined
  #onStuck: (() => void) | undefined
  #state: 'open' | 'replayed' | 'over' = 'open'

  constructor(owner: object, name: string) {
    this.name = name
    this.#owner = owner
    this.#outer = Scope.of(owner)
  }

  /** The scope inside of which this is called, if it is one of this owner. */
  static of(owner: object): Scope | undefined {
    const scope = within.getStore()
    return scope !== undefined && scope.#owner === owner ? scope : undefined
  }

  /** Nothing begins in it any more; once it is over, nothing ends in it either. */
  get closed(): boolean {
    return this.#state !== 'open' || (this.#outer?.closed ?? false)
  }

  get over(): boolean {
    return this.#state === 'over' || (this.#outer?.over ?? false)
  }

  run<T>(work: () => T | Promise<T>): Promise<T> {
    return within.run(this, async () => work())
  }

  /**
   * What is remembered is still handed out, and nothing else.
   * @param onStuck called when all that is left to do inside of it is what does not happen any more
   */
  replay(onStuck: () => void): void {
    this.#state = 'replayed'
    this.#onStuck = onStuck
  }

  giveUp(): void {
    this.#onStuck?.()
    this.#outer?.giveUp()
  }

  end(): void {
    this.#state = 'over'
  }

  /** Whether a step of this name is one of this scope, or the undo of one. */
  holds(step: string): boolean {
    return step.startsWith(`${this.name}${separator}`) || step.startsWith(`!undo ${this.name}${separator}`)
  }
}

/** Between the name of a group and the name of what is in it; no name has it otherwise. */
export const separator = ' > '

/** Whether something was begun inside of this group: a step, or a note such as `!uuid`. */
export function isWithin(name: string, group: string): boolean {
  if (!name.startsWith('!')) return name.startsWith(`${group}${separator}`)
  const [counted, plain] = [name, name.replace(/#\d+$/, '')]
  return counted.endsWith(` ${group}`) || plain.endsWith(` ${group}`) || name.includes(` ${group}${separator}`)
}
