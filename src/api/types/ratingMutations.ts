// Inputs and payloads of mutations about ratings and who gave them.

import { Field, Float, InputType, Int, ObjectType } from 'type-graphql';
import { Rating, User } from './catalogue.js';
import { Payload } from './payload.js';

@InputType({ description: 'Who gives which movie how many stars.' })
export class RateMovieInput {
  @Field(() => Int, { description: '1 or more; a number that the store does not know makes a new user.' })
  userId!: number;

  @Field(() => Int, { description: 'The movieId of a movie of the catalogue.' })
  movieId!: number;

  @Field(() => Float, { description: 'In stars, on the rating scale.' })
  rating!: number;
}

@InputType({ description: 'Whose rating of which movie to take back.' })
export class RemoveRatingInput {
  @Field(() => Int, { description: 'The userId of the one who rated.' })
  userId!: number;

  @Field(() => Int, { description: 'The movieId of the movie that they rated.' })
  movieId!: number;
}

@ObjectType()
abstract class RatingPayload extends Payload {
  @Field(() => Rating, {
    nullable: true,
    description: 'The rating that was stored or removed; null when it was refused.',
  })
  rating?: Rating | null;

  @Field(() => User, {
    nullable: true,
    description: 'Who rates, with statistics and recommendations as they are now; null when it was refused.',
  })
  user?: User | null;
}

@ObjectType({ description: 'The rating as it is stored now, or why it was not stored.' })
export class RateMoviePayload extends RatingPayload {}

@ObjectType({ description: 'The rating that was removed, or why none was.' })
export class RemoveRatingPayload extends RatingPayload {}

@InputType({ description: 'Whom to delete.' })
export class DeleteUserInput {
  @Field(() => Int, { description: "The data set's own number, 1 or more." })
  userId!: number;
}

@ObjectType({ description: 'How many rows were removed beside the user.', simpleResolvers: true })
export class DeletionReceipt {
  @Field(() => Int, { description: 'Ratings.' })
  ratings!: number;

  @Field(() => Int, { description: 'Entries of stored lists of recommendations, of all models.' })
  recommendations!: number;

  @Field(() => Int, { description: 'Predictions that runs stored of their test ratings.' })
  testPredictions!: number;

  @Field(() => Int, { description: 'Rejected lines of imports that begin with their number.' })
  rejectedLines!: number;
}

@ObjectType({ description: 'What was removed, or why nothing was.' })
export class DeleteUserPayload extends Payload {
  @Field(() => DeletionReceipt, { nullable: true, description: 'null when it was refused.' })
  receipt?: DeletionReceipt | null;
}
