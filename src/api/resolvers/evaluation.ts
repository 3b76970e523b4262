// What is asked of an evaluation apart: confusion at any threshold and by star, AUC, calibration, ranking.

import { Arg, Ctx, FieldResolver, Float, Int, Resolver, Root } from 'type-graphql';
import { type ConfusionRow, prunedRun, scaleOf } from '../../store/evaluations.js';
import { rankingsOf } from '../../store/rankings.js';
import { checkRankingLength } from '../checks.js';
import type { Context } from '../context.js';
import { RatingScale } from '../types/catalogue.js';
import { CalibrationBin, ConfusionMatrix, Evaluation, RankingMetrics } from '../types/evaluation.js';

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
    if (typeof threshold !== 'number') return evaluation;
    const counts = await loaders.confusion.load({ runId: evaluation.runId, threshold });
    const { truePositives, falsePositives, trueNegatives, falseNegatives } = counts;
    if (truePositives + falsePositives + trueNegatives + falseNegatives === 0)
      throw prunedRun(evaluation.runId);
    return counts;
  }

  @FieldResolver(() => Float, {
    name: 'auc',
    nullable: true,
    description:
      'Area under the ROC curve, 0 to 1: how often, of a test rating above the threshold and one that is not, the former has the higher prediction; ties count half. null where all are on one side, and at another threshold once the model is pruned.',
  })
  areaUnderCurve(
    @Root() { runId, auc, threshold: mean }: Evaluation,
    @Arg('threshold', () => Float, {
      nullable: true,
      description: 'In stars; the mean of the test ratings if absent.',
    })
    threshold: number | null,
    @Ctx() { loaders }: Context,
  ): Promise<number | null> | number {
    return typeof threshold === 'number' || auc === null
      ? loaders.auc.load({ runId, threshold: threshold ?? mean })
      : auc;
  }

  @FieldResolver(() => [CalibrationBin], {
    description:
      'What was given where so much was predicted, by quarters of a star, lowest first; empty once the model is pruned.',
  })
  calibration(@Root() { runId }: Evaluation, @Ctx() { loaders }: Context): Promise<CalibrationBin[]> {
    return loaders.calibration.load(runId);
  }

  @FieldResolver(() => RankingMetrics, {
    nullable: true,
    description: 'Of lists out of the full catalogue; null for runs of versions that did not measure it.',
  })
  ranking(
    @Root() { rankings }: Evaluation,
    @Arg('k', () => Int, {
      nullable: true,
      defaultValue: 10,
      description: 'Places in a list: 5, 10, 20, 50 or 100. null means 10, too.',
    })
    given: number | null,
  ): RankingMetrics | null {
    const k = given ?? 10;
    checkRankingLength(k);
    const [ours, ...baselines] = rankingsOf(rankings, k);
    return ours ? { ...ours, baselines } : null;
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
