// Inputs and payloads of mutations about training runs and their models.

import { Field, ID, InputType, ObjectType } from 'type-graphql';
import { Model } from './models.js';
import { Payload } from './payload.js';
import { RunSettingsInput } from './runSettings.js';
import { TrainingRun } from './training.js';

@InputType({ description: 'What to train; what is absent or null takes its default.' })
export class StartTrainingRunInput extends RunSettingsInput {
  @Field(() => Boolean, {
    nullable: true,
    defaultValue: true,
    description:
      'Whether the model becomes active when the run succeeds, unless it is worse than the active one; `note` of the run says so then.',
  })
  promote!: boolean;
}

@ObjectType({ description: 'The run that was queued, or why none was.' })
export class StartTrainingRunPayload extends Payload {
  @Field(() => TrainingRun, {
    nullable: true,
    description: 'The queued run, or the earlier one with the same idempotencyKey; null when it was refused.',
  })
  trainingRun?: TrainingRun | null;
}

@InputType({ description: 'Which run to stop.' })
export class CancelTrainingRunInput {
  @Field(() => ID, { description: 'The id of a TrainingRun that is QUEUED or RUNNING.' })
  runId!: string;
}

@ObjectType({ description: 'The run that was cancelled, or why it was not.' })
export class CancelTrainingRunPayload extends Payload {
  @Field(() => TrainingRun, {
    nullable: true,
    description:
      'The run, CANCELLED: its worker stops within two seconds, its last checkpoint is kept. null when it was refused.',
  })
  trainingRun?: TrainingRun | null;
}

@InputType({ description: 'Which run to go on with.' })
export class ResumeTrainingRunInput {
  @Field(() => ID, { description: 'The id of a TrainingRun that is FAILED or CANCELLED.' })
  runId!: string;
}

@ObjectType({ description: 'The run that goes on, or why it does not.' })
export class ResumeTrainingRunPayload extends Payload {
  @Field(() => TrainingRun, {
    nullable: true,
    description:
      'The run, QUEUED: it goes on after the last epoch that was kept, or begins anew where none was or the ratings have changed. null when it was refused.',
  })
  trainingRun?: TrainingRun | null;
}

@InputType({ description: 'Which run to train once more.' })
export class RepeatTrainingRunInput {
  @Field(() => ID, { description: 'The id of a TrainingRun that has begun.' })
  runId!: string;
}

@ObjectType({ description: 'The new run, or why none was queued.' })
export class RepeatTrainingRunPayload extends Payload {
  @Field(() => TrainingRun, { nullable: true, description: 'The queued run; null when it was refused.' })
  trainingRun?: TrainingRun | null;
}

@InputType({ description: 'Which model to make the active one.' })
export class PromoteModelInput {
  @Field(() => ID, { description: 'The id of a Model. Promoting a former one rolls back.' })
  modelId!: string;

  @Field(() => Boolean, {
    nullable: true,
    defaultValue: false,
    description:
      'Promotes it also when it is worse than the active one on test ratings of both, or cannot be compared.',
  })
  force?: boolean | null;
}

@ObjectType({ description: 'The model that is active now, or why the former one stays.' })
export class PromoteModelPayload extends Payload {
  @Field(() => Model, { nullable: true, description: 'The model, active now; null when it was refused.' })
  model?: Model | null;
}
