// Users, movies, ratings: what was imported.

import { DateTimeResolver as DateTime } from 'graphql-scalars';
import { Field, Float, InputType, Int, ObjectType, registerEnumType } from 'type-graphql';
import type { MovieFilter as MovieFilterFields, MovieOrder, MovieRow } from '../../store/movies.js';
import type { RatingOrder, RatingRow } from '../../store/ratings.js';
import type { RatingScale as RatingScaleFields } from '../../store/scale.js';
import type { UserOrder, UserRow } from '../../store/users.js';
import { connectionType } from '../paging.js';
import { Node } from './node.js';

export const UserOrderEnum: { [order in UserOrder]: order } = {
  USER_ID: 'USER_ID',
  RATING_COUNT_DESC: 'RATING_COUNT_DESC',
  MEAN_RATING_DESC: 'MEAN_RATING_DESC',
};
registerEnumType(UserOrderEnum, {
  name: 'UserOrder',
  description: 'Order of users; ties are broken by userId.',
  valuesConfig: {
    USER_ID: { description: 'Lowest number first.' },
    RATING_COUNT_DESC: { description: 'Most ratings first.' },
    MEAN_RATING_DESC: { description: 'Highest mean rating first; without ratings last.' },
  },
});

export const MovieOrderEnum: { [order in MovieOrder]: order } = {
  MOVIE_ID: 'MOVIE_ID',
  TITLE: 'TITLE',
  YEAR_DESC: 'YEAR_DESC',
  RATING_COUNT_DESC: 'RATING_COUNT_DESC',
  MEAN_RATING_DESC: 'MEAN_RATING_DESC',
};
registerEnumType(MovieOrderEnum, {
  name: 'MovieOrder',
  description: 'Order of movies; ties are broken by movieId.',
  valuesConfig: {
    MOVIE_ID: { description: 'Lowest number first.' },
    TITLE: { description: 'By title, ascending.' },
    YEAR_DESC: { description: 'Newest first; without a year last.' },
    RATING_COUNT_DESC: { description: 'Most ratings first.' },
    MEAN_RATING_DESC: { description: 'Highest mean rating first; without ratings last.' },
  },
});

export const RatingOrderEnum: { [order in RatingOrder]: order } = {
  MOVIE_ID: 'MOVIE_ID',
  RATING_DESC: 'RATING_DESC',
  RATED_AT_DESC: 'RATED_AT_DESC',
};
registerEnumType(RatingOrderEnum, {
  name: 'RatingOrder',
  description: "Order of a user's ratings; ties are broken by movieId.",
  valuesConfig: {
    MOVIE_ID: { description: 'Lowest movieId first.' },
    RATING_DESC: { description: 'Highest rating first.' },
    RATED_AT_DESC: { description: 'Newest first; without a time last.' },
  },
});

@ObjectType({ implements: Node, description: 'Somebody who rates movies.' })
export class User extends Node implements UserRow {
  @Field(() => Int, { description: "The data set's own number, 1 or more." })
  userId!: number;

  @Field(() => Int, { description: 'How many movies they have rated, 0 or more.' })
  ratingCount!: number;

  @Field(() => Float, {
    nullable: true,
    description: 'Mean of their ratings, on the rating scale; null without ratings.',
  })
  meanRating!: number | null;

  @Field(() => String, {
    nullable: true,
    description: 'As in the data set: "F", "M"; null where it tells none.',
  })
  gender!: string | null;

  @Field(() => Int, {
    nullable: true,
    description:
      'In years; of sets that give age groups the lowest age of the group, 1 for under 18; null where the set tells none.',
  })
  age!: number | null;

  @Field(() => String, {
    nullable: true,
    description: 'As in the data set: "programmer", "writer" …; null where it tells none.',
  })
  occupation!: string | null;

  @Field(() => String, { nullable: true, description: 'As in the data set; null where it tells none.' })
  zipCode!: string | null;

  idx!: number;
  ratingsChangedAt!: Date | null;
}

@ObjectType({ implements: Node, description: 'A movie of the catalogue.' })
export class Movie extends Node implements MovieRow {
  @Field(() => Int, { description: "The data set's own number, 1 or more." })
  movieId!: number;

  @Field(() => String, {
    description: 'Without the year; "Movie 17" for a rated movie that no imported file names.',
  })
  title!: string;

  @Field(() => Int, { nullable: true, description: 'Year of release; null where the title did not tell it.' })
  year!: number | null;

  @Field(() => [String], {
    description: 'As in the data set: "Comedy", "Film-Noir" …; empty where none is listed.',
  })
  genres!: string[];

  @Field(() => Int, { description: 'How many users have rated it, 0 or more.' })
  ratingCount!: number;

  @Field(() => Float, {
    nullable: true,
    description: 'Mean of its ratings, on the rating scale; null without ratings.',
  })
  meanRating!: number | null;

  idx!: number;
}

@ObjectType({ description: 'What ratings of the data set lie between; predicted ratings are clipped to it.' })
export class RatingScale implements RatingScaleFields {
  @Field(() => Float, { description: 'The lowest rating; 0.5 in MovieLens.' })
  minimum!: number;

  @Field(() => Float, { description: 'The highest rating; 5 in MovieLens.' })
  maximum!: number;

  @Field(() => Float, {
    description: 'What ratings are rounded to where they are counted by star; 0.5 in MovieLens.',
  })
  step!: number;
}

@ObjectType({ description: 'One user’s rating of one movie.' })
export class Rating implements RatingRow {
  @Field(() => Float, { description: 'In stars, on the rating scale.' })
  rating!: number;

  @Field(() => DateTime, {
    nullable: true,
    description: 'When it was given; null where the data set does not tell.',
  })
  ratedAt!: Date | null;

  userId!: number;
  movieId!: number;
}

export const UserConnection = connectionType('User', User);
export const MovieConnection = connectionType('Movie', Movie);
export const RatingConnection = connectionType('Rating', Rating);

@InputType()
export abstract class MovieConditions {
  @Field(() => [String], {
    nullable: true,
    description:
      'Has at least one of these genres, 100 at most, spelled as in Movie.genres. Empty: no condition.',
  })
  genresAny?: string[] | null;

  @Field(() => [String], {
    nullable: true,
    description: 'Has all of these genres, 100 at most, spelled as in Movie.genres. Empty: no condition.',
  })
  genresAll?: string[] | null;

  @Field(() => Int, {
    nullable: true,
    description: 'Released in this year or later; leaves out movies without a year.',
  })
  yearFrom?: number | null;

  @Field(() => Int, {
    nullable: true,
    description: 'Released in this year or earlier; leaves out movies without a year.',
  })
  yearTo?: number | null;

  @Field(() => Int, { nullable: true, description: 'Has at least this many ratings, of all users.' })
  minRatingCount?: number | null;
}

@InputType({
  description:
    'Which movies to list. All given conditions must hold; one that is absent, null or empty does not filter.',
})
export class MovieFilter extends MovieConditions implements MovieFilterFields {
  @Field(() => String, {
    nullable: true,
    description: 'Part of the title, in any case, 200 characters at most. Empty: no condition.',
  })
  search?: string | null;
}
