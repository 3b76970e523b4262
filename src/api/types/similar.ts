// Users and movies that are alike, as a model sees them.

import { Field, Float, ObjectType } from 'type-graphql';
import { Movie, User } from './catalogue.js';

const SIMILARITY =
  'Cosine of the angle between the two rows of the embedding, less the mean row: 1 the same taste, 0 unrelated, −1 the opposite.';

@ObjectType({ description: 'A movie that is liked by the same users.', simpleResolvers: true })
export class SimilarMovie {
  @Field(() => Movie, { description: 'The other movie.' })
  movie!: Movie;

  @Field(() => Float, { description: SIMILARITY })
  similarity!: number;
}

@ObjectType({ description: 'A user who likes the same movies.', simpleResolvers: true })
export class SimilarUser {
  @Field(() => User, { description: 'The other user.' })
  user!: User;

  @Field(() => Float, { description: SIMILARITY })
  similarity!: number;
}
