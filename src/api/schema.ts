// All resolvers → the executable schema. schema.graphql at the root is this, printed; a test fails when it is stale.

import 'reflect-metadata';
import assert from 'node:assert/strict';
import { type GraphQLSchema, lexicographicSortSchema, printSchema } from 'graphql';
import { buildSchema } from 'type-graphql';
import { ConfusionMatrixResolver, EvaluationResolver } from './resolvers/evaluation.js';
import { ImportResolver } from './resolvers/imports.js';
import { MovieResolver, RatingResolver } from './resolvers/movies.js';
import { MutationResolver } from './resolvers/mutations.js';
import { NodeResolver } from './resolvers/nodes.js';
import { PredictedRatingResolver } from './resolvers/predictions.js';
import { RecommendationResolver } from './resolvers/recommendations.js';
import { ScoringRunResolver } from './resolvers/scoring.js';
import { SearchResolver, TrialResolver } from './resolvers/searches.js';
import { SimilarMovieResolver, SimilarUserResolver } from './resolvers/similar.js';
import { SubscriptionResolver } from './resolvers/subscriptions.js';
import { EngineResolver, ModelResolver, TrainingRunResolver } from './resolvers/training.js';
import { UserResolver } from './resolvers/users.js';

export function createSchema(): Promise<GraphQLSchema> {
  return buildSchema({
    resolvers: [
      UserResolver,
      MovieResolver,
      RatingResolver,
      PredictedRatingResolver,
      RecommendationResolver,
      SimilarMovieResolver,
      SimilarUserResolver,
      TrainingRunResolver,
      EvaluationResolver,
      ConfusionMatrixResolver,
      ModelResolver,
      EngineResolver,
      ImportResolver,
      ScoringRunResolver,
      SearchResolver,
      TrialResolver,
      NodeResolver,
      MutationResolver,
      SubscriptionResolver,
    ],
    // Ranges are checked where the values are used, with AppErrors that say what to do.
    validate: false,
    // Demanded where there are subscriptions. Ours have a source of their own: store/runFeed.ts.
    pubSub: {
      publish() {},
      subscribe: () => assert.fail('every subscription has a source of its own'),
    },
  });
}

export function printSortedSchema(schema: GraphQLSchema): string {
  return `# Generated from src/api by \`npm run emit-schema\`; edit there.\n\n${printSchema(lexicographicSortSchema(schema))}\n`;
}
