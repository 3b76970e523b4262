// The settings of a model and of its training, as a run's record has them; what they may be is in store/hyperparameterChecks.ts.

import { Field, Float, Int, ObjectType, registerEnumType } from 'type-graphql';

export const OptimizerKindEnum = { SGD: 'sgd', ADAM: 'adam' } as const;
export type OptimizerKind = (typeof OptimizerKindEnum)[keyof typeof OptimizerKindEnum];
registerEnumType(OptimizerKindEnum, {
  name: 'OptimizerKind',
  description: 'How a step moves the parameters.',
  valuesConfig: {
    SGD: {
      description: 'Down the gradient, keeping a share of the last step; all parameters at every step.',
    },
    ADAM: {
      description:
        'By running means of gradients and their squares; of users and movies only those of the batch.',
    },
  },
});

export const ModelKindEnum = { GRADIENT: 'gradient', BAYES: 'bayes' } as const;
export type ModelKind = (typeof ModelKindEnum)[keyof typeof ModelKindEnum];
registerEnumType(ModelKindEnum, {
  name: 'ModelKind',
  description: 'How a model is trained.',
  valuesConfig: {
    GRADIENT: { description: 'By steps down the gradient of the loss.' },
    BAYES: {
      description:
        'By sweeps of a Gibbs sampler over biases and a dot product; optimizer, rates, L2 and batchSize mean nothing to it.',
    },
  },
});

@ObjectType({ description: 'Settings of the model and of its training.', simpleResolvers: true })
export class Hyperparameters {
  @Field(() => ModelKindEnum, { description: 'How the model is trained.' })
  kind!: ModelKind;

  @Field(() => Int, { description: 'Columns of the user and movie embeddings, 1 to 256.' })
  embeddingWidth!: number;

  @Field(() => [Int], {
    description:
      'Widths of the hidden layers, first to last: up to 8 layers, each 1 to 8,192 wide; empty: none.',
  })
  hiddenLayers!: number[];

  @Field(() => Boolean, { description: 'Whether the model adds a bias for each user and each movie.' })
  biases!: boolean;

  @Field(() => Boolean, {
    description: 'Whether the model adds the dot product of the embeddings of user and movie.',
  })
  dotProduct!: boolean;

  @Field(() => OptimizerKindEnum, { description: 'How steps are taken.' })
  optimizer!: OptimizerKind;

  @Field(() => Float, { description: 'Step size in the first epoch, 0.000001 to 10.' })
  learningRate!: number;

  @Field(() => Float, { description: 'Factor of the learning rate from one epoch to the next, 0.01 to 1.' })
  learningRateDecay!: number;

  @Field(() => Float, { description: 'Share of the last step that SGD keeps, 0 to 0.999; ADAM ignores it.' })
  momentum!: number;

  @Field(() => Float, { description: 'Weight of the sum of squares of the embeddings in the loss, 0 to 10.' })
  l2Embeddings!: number;

  @Field(() => Float, {
    description: 'Weight of the sum of squares of the biases of users and movies in the loss, 0 to 10.',
  })
  l2Biases!: number;

  @Field(() => Float, {
    description: 'Weight of the sum of squares of the weights of layers in the loss, 0 to 10.',
  })
  l2Weights!: number;

  @Field(() => Int, { description: 'Ratings per step, 1 to 65,536.' })
  batchSize!: number;

  @Field(() => Int, { description: 'Passes over the training ratings, 1 to 1,000; of BAYES: sweeps.' })
  epochs!: number;

  @Field(() => Int, { description: 'Of BAYES: first sweeps, which the mean leaves out, 0 to 999.' })
  burnIn!: number;

  @Field(() => Boolean, {
    description:
      'Of BAYES: whether genres, decades and demographics take part in the priors of movies and users.',
  })
  sideInformation!: boolean;

  @Field(() => Float, {
    description:
      'Share of the training ratings held out to tell the best epoch, whose parameters are kept, 0 to 0.5; 0: none, the last epoch’s are.',
  })
  validationFraction!: number;

  @Field(() => Int, {
    description:
      'Epochs in a row without a lower validation loss after which training stops, 0 to 999; 0: it never does.',
  })
  patience!: number;
}
