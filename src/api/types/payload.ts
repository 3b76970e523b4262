// What every mutation answers with. A refusal that a client can mend is data (`userErrors`), not a GraphQL error.

import { Field, ObjectType } from 'type-graphql';

@ObjectType({ description: 'Why a mutation was refused; nothing was changed then.', simpleResolvers: true })
export class UserError {
  @Field(() => [String], {
    nullable: true,
    description:
      'Path of the argument, such as ["input", "rating"]; ["input"] when it is about no single one.',
  })
  field!: string[] | null;

  @Field(() => String, { description: 'What happened, with which value, and what to do next.' })
  message!: string;

  @Field(() => String, { description: 'What kind of refusal, for programs: a code of docs/errors.md.' })
  code!: string;
}

@ObjectType()
export abstract class Payload {
  @Field(() => [UserError], { description: 'Why it was refused; empty when it was done.' })
  userErrors!: UserError[];
}
