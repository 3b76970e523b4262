// The database side of schema-engine.mjs: @prisma/adapter-pg 7.10 with its four defects for migrations mended.
// Each function below names its defect; each can go when a newer adapter-pg passes `migrate dev` and `diff` without it.

import { PrismaPg } from '@prisma/adapter-pg';
import { bindMigrationAwareSqlAdapterFactory, ColumnTypeEnum } from '@prisma/driver-adapter-utils';

/** Parameters of a Prisma URL that PostgreSQL does not know. */
const PRISMA_PARAMETERS = ['schema', 'connection_limit', 'pool_timeout', 'pgbouncer'];
const OID_CHAR = 18;
const OID_TEXT = 25;

export function parsePrismaUrl(text) {
  const url = new URL(text);
  const schema = url.searchParams.get('schema') ?? 'public';
  for (const name of PRISMA_PARAMETERS) url.searchParams.delete(name);
  return { url, schema, database: decodeURIComponent(url.pathname.slice(1)) };
}

// The parts of the URL are handed over one by one: with a connectionString adapter-pg 7.10 ignores `database`,
// and what it calls the shadow database is then the main one.
export function adapterFor(urlText) {
  const { url, schema, database } = parsePrismaUrl(urlText);
  const server = {
    host: url.hostname,
    port: Number(url.port || 5432),
    user: decodeURIComponent(url.username),
    password: decodeURIComponent(url.password),
  };
  const connectTo = async (name) =>
    patchConnection(await new PrismaPg({ ...server, database: name }, { schema }).connect());
  return bindMigrationAwareSqlAdapterFactory({
    provider: 'postgres',
    adapterName: '@prisma/adapter-pg',
    connect: () => connectTo(database),
    connectToShadowDb: () => connectToShadow(connectTo, database),
  });
}

// adapter-pg 7.10 drops its shadow database before closing the pool that is connected to it, which PostgreSQL refuses.
async function connectToShadow(connectTo, database) {
  const shadow = `prisma_migrate_shadow_db_${crypto.randomUUID()}`;
  const admin = await connectTo(database);
  await admin.executeScript(`create database "${shadow}"`);
  const connection = await connectTo(shadow);
  const close = connection.dispose.bind(connection);
  connection.dispose = async () => {
    await close();
    await admin.executeScript(`drop database if exists "${shadow}" with (force)`);
    await admin.dispose();
  };
  return connection;
}

function patchConnection(connection) {
  // adapter-pg 7.10 cuts scripts at every `;`, also inside $$ bodies; the native engine sends the whole text.
  connection.executeScript = async (script) => {
    try {
      await connection.client.query(script);
    } catch (error) {
      connection.onError(error); // throws it in the form that the engine can print
    }
  };
  return withCatalogChar(connection);
}

// adapter-pg 7.10 has no mapping for the catalog type "char", which introspection reads:
// let such columns pass as text, then label them as characters.
function withCatalogChar(connection) {
  const performIO = connection.performIO.bind(connection);
  const queryRaw = connection.queryRaw.bind(connection);
  let charColumns = [];
  connection.performIO = async (query) => {
    const result = await performIO(query);
    const fields = result.fields ?? [];
    charColumns = fields.flatMap((field, i) => (field.dataTypeID === OID_CHAR ? [i] : []));
    for (const i of charColumns) fields[i].dataTypeID = OID_TEXT;
    return result;
  };
  connection.queryRaw = async (query) => {
    const result = await queryRaw(query);
    for (const i of charColumns) result.columnTypes[i] = ColumnTypeEnum.Character;
    return result;
  };
  return connection;
}
