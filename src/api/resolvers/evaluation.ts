// Confusion matrices: at the stored threshold, at any other, and by star.

import { Arg, Ctx, FieldResolver, Float, Int, Resolver, Root } from 'type-graphql';
import { type ConfusionRow, scaleOf } from '../../store/evaluations.js';
import type { Context } from '../context.js';
import { RatingScale } from '../types/catalogue.js';
import { ConfusionMatrix, Evaluation } from '../types/evaluation.js';

@Resolver(() => Evaluation)
export class EvaluationResolver {
  @FieldResolver(() => ConfusionMatrix, {
    description: 'Test ratings above and not above a threshold, by actual and predicted rating.',
  })
  async confusion(
    @Root() evaluation: Evaluation,
    @Arg('threshold', () => Float, {
      nullable: true,
      description: 'In stars; the mean of the test ratings if absent.',
    })
    threshold: number | null,
    @Ctx() { loaders }: Context,
  ): Promise<ConfusionRow> {
    return typeof threshold === 'number'
      ? loaders.confusion.load({ runId: evaluation.runId, threshold })
      : evaluation;
  }

  @FieldResolver(() => RatingScale, { description: 'The rating scale when the run was evaluated.' })
  scale(@Root() evaluation: Evaluation): RatingScale {
    return scaleOf(evaluation);
  }

  @FieldResolver(() => [[Int]], {
    description:
      'Counts of test ratings, rows actual by columns predicted, both rounded to the steps of the scale, lowest first: 0.5, 1 … 5 for half stars.',
  })
  starConfusion(@Root() { runId }: Evaluation, @Ctx() { loaders }: Context): Promise<number[][]> {
    return loaders.starConfusion.load(runId);
  }
}

@Resolver(() => ConfusionMatrix)
export class ConfusionMatrixResolver {
  @FieldResolver(() => Float, { description: 'Share of the test ratings on the right side, 0 to 1.' })
  accuracy(
    @Root() { truePositives, trueNegatives, falsePositives, falseNegatives }: ConfusionMatrix,
  ): number {
    const right = truePositives + trueNegatives;
    return right / (right + falsePositives + falseNegatives);
  }

  @FieldResolver(() => Float, {
    nullable: true,
    description: 'Of those predicted above, the share that is, 0 to 1; null if none.',
  })
  precision(@Root() { truePositives, falsePositives }: ConfusionMatrix): number | null {
    return ratio(truePositives, truePositives + falsePositives);
  }

  @FieldResolver(() => Float, {
    nullable: true,
    description: 'Of those actually above, the share predicted so, 0 to 1; null if none.',
  })
  recall(@Root() { truePositives, falseNegatives }: ConfusionMatrix): number | null {
    return ratio(truePositives, truePositives + falseNegatives);
  }

  @FieldResolver(() => Float, {
    nullable: true,
    description: 'Harmonic mean of precision and recall, 0 to 1; null if neither is known.',
  })
  f1(@Root() { truePositives, falsePositives, falseNegatives }: ConfusionMatrix): number | null {
    return ratio(2 * truePositives, 2 * truePositives + falsePositives + falseNegatives);
  }
}

function ratio(part: number, whole: number): number | null {
  return whole === 0 ? null : part / whole;
}
