// What the Prisma CLI needs to know; the code in src/ never reads this file.
// Without DATABASE_URL the commands that need no database (generate, validate, format) still work.

import { defineConfig } from 'prisma/config';

export default defineConfig({
  schema: 'prisma/schema.prisma',
  migrations: { path: 'prisma/migrations' },
  datasource: { url: process.env.DATABASE_URL || 'postgresql://127.0.0.1:1/none' },
});
