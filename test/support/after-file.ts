import { afterAll } from 'vitest'
import { disposeRest } from './database.ts'

afterAll(disposeRest)
