import { importAzure } from './azure.ts'
import { importCrontab } from './crontab.ts'
import { importEventBridge } from './eventbridge.ts'
import { importHangfire } from './hangfire.ts'
import type { Imported, ImportOptions } from './imported.ts'
import { importQuartz } from './quartz.ts'

/** Where schedules can come from. Each reads the text of a file. */
export const importers: Readonly<
  Record<string, (text: string, options: ImportOptions) => Imported | Promise<Imported>>
> = {
  azure: importAzure,
  crontab: importCrontab,
  eventbridge: importEventBridge,
  hangfire: importHangfire,
  quartz: importQuartz,
}
