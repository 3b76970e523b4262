import { readFileSync } from 'node:fs';
import {
  type GraphQLNamedType,
  type GraphQLSchema,
  isEnumType,
  isInputObjectType,
  isInterfaceType,
  isIntrospectionType,
  isObjectType,
  isSpecifiedScalarType,
} from 'graphql';
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

test('every type, field, argument and enum value says what it is', () => {
  const types = Object.values(schema.getTypeMap()).filter((type) => !isOfTheStandard(type));
  const silent = types.flatMap(partsOf).filter(({ description }) => !description?.trim());
  expect(types.length).toBeGreaterThan(50);
  expect(silent.map(({ name }) => name)).toEqual([]);
});

test('every mutation takes one input and answers with userErrors', () => {
  const mutations = Object.values(schema.getMutationType()!.getFields());
  expect(mutations.map((mutation) => mutation.name).sort()).toEqual([
    'cancelBatchScoring',
    'cancelSearch',
    'cancelTrainingRun',
    'deleteUser',
    'promoteModel',
    'rateMovie',
    'removeRating',
    'repeatTrainingRun',
    'resumeSearch',
    'resumeTrainingRun',
    'startBatchScoring',
    'startSearch',
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

interface Part {
  name: string;
  description?: string | null;
}

function isOfTheStandard(type: GraphQLNamedType): boolean {
  return isIntrospectionType(type) || isSpecifiedScalarType(type);
}

/** The type and all within it that can carry a description. The root types need none: their fields have them. */
function partsOf(type: GraphQLNamedType): Part[] {
  const parts: Part[] = isRoot(type) ? [] : [type];
  if (isEnumType(type)) parts.push(...type.getValues().map((value) => within(type, value)));
  if (isInputObjectType(type))
    parts.push(...Object.values(type.getFields()).map((field) => within(type, field)));
  if (isObjectType(type) || isInterfaceType(type)) {
    for (const field of Object.values(type.getFields())) {
      const named = within(type, field);
      parts.push(named, ...field.args.map((arg) => within(named, arg)));
    }
  }
  return parts;
}

function isRoot(type: GraphQLNamedType): boolean {
  return [schema.getQueryType(), schema.getMutationType(), schema.getSubscriptionType()].some(
    (root) => root === type,
  );
}

function within(parent: Part, { name, description }: Part): Part {
  return { name: `${parent.name}.${name}`, description };
}
