// The Relay Node interface. Objects that resolvers hand out for it carry their type's name.

import { Field, ID, InterfaceType } from 'type-graphql';
import type { NodeType } from '../ids.js';

@InterfaceType({
  description:
    'Anything with a globally unique id: node(id) finds it, and gives null when the store does not have it.',
  resolveType: (value: { nodeType: NodeType }) => value.nodeType,
})
export abstract class Node {
  @Field(() => ID, { description: 'Opaque and globally unique; pass it to node(id).' })
  id!: string;
}
