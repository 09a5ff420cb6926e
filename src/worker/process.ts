import { randomUUID } from 'node:crypto'

/** Names this run of this process. */
export const processToken: string = randomUUID()
