// The optimizers of engines/engine.ts for a model of tf.layers. TensorFlow.js' own are others: tf.train.momentum keeps
// a = −v/lr instead of v, which would not come back to the same bits, nor survive another rate; tf.train.adam moves all rows.
// Everything here runs inside a turn of onBackend.

import type { Optimizer, Tensor, Variable } from '@tensorflow/tfjs-core';
import { initialState, l2Of, learningRateOf } from './batches.js';
import { ADAM, type OptimizerState, type TrainerOptions, type TrainingRatings } from './engine.js';
import { parameterShapes, rowsOf } from './shape.js';
import type { Tfjs } from './tfjsBackend.js';
import { type Network, readParameters, tensorOf } from './tfjsModel.js';

/** What the step under way is about. */
interface Step {
  rate: number;
  batch: TrainingRatings;
}

export class TfjsOptimizer {
  /** To compile the model with. Call beginStep before each of its steps. */
  readonly forModel: Optimizer;
  readonly #tfjs: Tfjs;
  readonly #options: TrainerOptions;
  readonly #names: string[];
  readonly #weights: Network['weights'];
  /** [v] or [m, v], each in the order of the parameters. */
  readonly #moments: Variable[][];
  #steps: number;
  #step: Step | null = null;

  constructor(tfjs: Tfjs, options: TrainerOptions, { weights }: Network) {
    const { steps, moments } = initialState(options);
    this.#tfjs = tfjs;
    this.#options = options;
    this.#names = parameterShapes(options.shape).map(({ name }) => name);
    this.#weights = weights;
    this.#moments = tfjs.core.tidy(() =>
      moments.map((moment) =>
        moment.map((tensor, index) =>
          tfjs.core.variable(tensorOf(tfjs, tensor, weights[index].shape as number[]), false),
        ),
      ),
    );
    this.#steps = steps;
    this.forModel = optimizerThat(tfjs, (gradients) => this.#apply(gradients));
  }

  beginStep(epoch: number, batch: TrainingRatings): void {
    this.#steps++;
    this.#step = { rate: learningRateOf(this.#options.optimizer, epoch), batch };
  }

  async state(): Promise<OptimizerState> {
    const moments = [];
    for (const moment of this.#moments) moments.push(await readParameters(this.#options.shape, moment));
    return { steps: this.#steps, moments };
  }

  dispose(): void {
    this.#tfjs.core.dispose(this.#moments);
  }

  #apply(gradients: { name: string; tensor: Tensor }[]): void {
    const { core } = this.#tfjs;
    const { optimizer } = this.#options;
    const { rate, batch } = this.#step!;
    core.tidy(() => {
      const touched = optimizer.kind === 'adam' ? this.#touchedRows(batch) : null;
      for (const { name, tensor } of gradients) {
        const index = this.#weights.findIndex((each) => each.name === name);
        const weight = core.engine().registeredVariables[name];
        const lambda = l2Of(optimizer, this.#names[index]);
        const gradient = lambda === 0 ? tensor : core.add(tensor, core.mul(weight, 2 * lambda));
        const moments = this.#moments.map((moment) => moment[index]);
        const rows = rowsOf(this.#names[index]);
        if (touched) this.#stepOfAdam(weight, moments, gradient, rate, rows && touched[rows]);
        else this.#stepOfSgd(weight, moments, gradient, rate);
      }
    });
  }

  #stepOfSgd(weight: Variable, [velocity]: Variable[], gradient: Tensor, rate: number): void {
    const { core } = this.#tfjs;
    const { momentum } = this.#options.optimizer;
    velocity.assign(core.sub(core.mul(velocity, momentum), core.mul(gradient, rate)));
    weight.assign(core.add(weight, velocity));
  }

  /** touched: (rows × 1), 1 for the rows that move; null: all move. */
  #stepOfAdam(
    weight: Variable,
    [first, second]: Variable[],
    gradient: Tensor,
    rate: number,
    touched: Tensor | null,
  ): void {
    const { core } = this.#tfjs;
    const { beta1, beta2, epsilon } = ADAM;
    const t = this.#steps;
    const corrected = (rate * Math.sqrt(1 - beta2 ** t)) / (1 - beta1 ** t);
    const m = core.add(core.mul(first, beta1), core.mul(gradient, 1 - beta1));
    const v = core.add(core.mul(second, beta2), core.mul(core.square(gradient), 1 - beta2));
    const w = core.sub(weight, core.div(core.mul(m, corrected), core.add(core.sqrt(v), epsilon)));
    // Widened by a product: `where` would widen it by Tile, 36 ms instead of 3 for 9,724 × 64 on wasm.
    const moves = touched && core.cast(core.mul(touched, core.onesLike(weight)), 'bool');
    const moved = (next: Tensor, now: Tensor) => (moves ? core.where(moves, next, now) : next);
    first.assign(moved(m, first));
    second.assign(moved(v, second));
    weight.assign(moved(w, weight));
  }

  /** Which users (N × 1) and movies (M × 1) the batch is about: 1 or 0. */
  #touchedRows({ userIndices, movieIndices }: TrainingRatings): Record<'user' | 'movie', Tensor> {
    const { users, movies } = this.#options.shape;
    const maskOf = (indices: Int32Array, rows: number) => {
      const mask = new Float32Array(rows);
      for (const index of indices) mask[index] = 1;
      return this.#tfjs.core.tensor2d(mask, [rows, 1]);
    };
    return { user: maskOf(userIndices, users), movie: maskOf(movieIndices, movies) };
  }
}

/** The library takes optimizers only as classes of its own kind. */
function optimizerThat(
  { core }: Tfjs,
  apply: (gradients: { name: string; tensor: Tensor }[]) => void,
): Optimizer {
  class MarqueeOptimizer extends core.Optimizer {
    static readonly className = 'MarqueeOptimizer';

    override applyGradients(gradients: { name: string; tensor: Tensor }[]): void {
      apply(gradients);
    }

    override getConfig() {
      return {};
    }
  }
  return new MarqueeOptimizer();
}
