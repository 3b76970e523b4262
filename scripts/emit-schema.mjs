// Writes schema.graphql from the compiled API. Run by `npm run emit-schema`; test/schema.test.ts fails when it is stale.

import { writeFileSync } from 'node:fs';
import { createSchema, printSortedSchema } from '../dist/api/schema.js';

writeFileSync(new URL('../schema.graphql', import.meta.url), printSortedSchema(await createSchema()));
