import { readFileSync } from 'node:fs';
import { type GraphQLSchema, isInputObjectType, isInterfaceType, isObjectType } from 'graphql';
import { createSchema, printSortedSchema } from '#src/api/schema.js';

let schema: GraphQLSchema;
beforeAll(async () => {
  schema = await createSchema();
});

test('schema.graphql is what the resolvers define: run `npm run emit-schema` when this fails', () => {
  expect(readFileSync('schema.graphql', 'utf8')).toBe(printSortedSchema(schema));
});

test('every list is a connection whose `first` is required', () => {
  const fields = Object.values(schema.getTypeMap())
    .filter(isObjectType)
    .flatMap((type) => Object.values(type.getFields()).map((field) => ({ type, field })))
    .filter(({ field }) => /Connection!?$/.test(String(field.type)));
  const withoutFirst = fields
    .filter(({ field }) => String(field.args.find((arg) => arg.name === 'first')?.type) !== 'Int!')
    .map(({ type, field }) => `${type.name}.${field.name}`);
  expect(fields.length).toBeGreaterThan(5);
  expect(withoutFirst).toEqual([]);
});

test('every object type says what it is', () => {
  const silent = Object.values(schema.getTypeMap())
    .filter((type) => (isObjectType(type) || isInterfaceType(type)) && !type.name.startsWith('__'))
    .filter((type) => !type.description && !/^(Query|Mutation|\w+Payload)$/.test(type.name))
    .map((type) => type.name);
  expect(silent).toEqual([]);
});

test('every mutation takes one input and answers with userErrors', () => {
  const mutations = Object.values(schema.getMutationType()!.getFields());
  expect(mutations.map((mutation) => mutation.name).sort()).toEqual([
    'promoteModel',
    'rateMovie',
    'removeRating',
    'startTrainingRun',
  ]);
  for (const { args, type } of mutations) {
    expect(args.map((arg) => arg.name)).toEqual(['input']);
    expect(isInputObjectType(schema.getType(String(args[0].type).replace('!', '')))).toBe(true);
    expect(Object.keys(Object(schema.getType(String(type).replace('!', ''))).getFields())).toContain(
      'userErrors',
    );
  }
});
