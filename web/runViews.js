// The list of runs, and one run with its losses: values in, elements out. No requests and no state.

import { el, facts, problemList, table } from './dom.js';
import { evaluationView } from './evaluationViews.js';
import { count, when } from './format.js';
import { lossChart } from './lossChart.js';

/** onSelect: called with the id of a run. */
export function runsView(runs, hasMore, selectedId, onSelect) {
  if (runs.length === 0) return el('p', {}, 'No run yet. Start one above.');
  return [
    table(
      'Runs, newest first; choose one to see its losses',
      [
        { title: 'Queued' },
        { title: 'Status' },
        { title: 'Preset', minor: true },
        { title: 'Engine', minor: true },
        { title: 'Epochs', numeric: true, minor: true },
        { title: 'Test RMSE', numeric: true },
        { title: 'Model', numeric: true, minor: true },
      ],
      runs.map((run) => ({
        marked: run.id === selectedId,
        cells: [
          el(
            'button',
            {
              type: 'button',
              id: `run-${run.id}`,
              'aria-pressed': String(run.id === selectedId),
              onclick: () => onSelect(run.id),
            },
            when(run.queuedAt),
          ),
          [run.status.toLowerCase(), run.status === 'RUNNING' && progressView(run)],
          [run.preset, run.trial !== null && el('small', {}, `trial ${run.trial}`)],
          run.engine,
          count(run.hyperparameters.epochs),
          run.evaluation?.rmse.toFixed(4) ?? '–',
          run.model ? String(run.model.version) : '–',
        ],
      })),
    ),
    hasMore && el('p', { class: 'muted' }, 'Older runs: query trainingRuns in the explorer.'),
  ];
}

function progressView({ progress }) {
  if (!progress) return el('progress', { 'aria-label': 'starting' });
  const { epoch, epochs, step, steps, etaSeconds } = progress;
  const share = (epoch - 1 + step / steps) / epochs;
  const left = etaSeconds === null ? '' : `, ${Math.ceil(etaSeconds)} s left`;
  return [
    el('progress', { value: share.toFixed(4), max: 1, 'aria-label': 'progress' }),
    el('small', {}, `epoch ${epoch} of ${epochs}${left}`),
  ];
}

export function runView(run, width) {
  const { epochs } = run.hyperparameters;
  return [
    el('h3', {}, `Run of ${when(run.queuedAt)}`),
    problemList(run.error ? [run.error] : []),
    run.note && el('p', { class: 'muted' }, run.note),
    run.epochs.length > 0 && lossesView(run, epochs, width),
    run.epochs.length === 0 &&
      !run.error &&
      el('p', { class: 'muted' }, 'The curves begin when the first epoch is done.'),
    facts([
      ['Engine', run.device ? `${run.engine} (${run.device})` : run.engine],
      [
        'Ratings',
        run.trainRatings && `${count(run.trainRatings)} to train on, ${count(run.testRatings)} held out`,
      ],
      ['Split', splitText(run.split)],
      ['Model', modelText(run.hyperparameters)],
      ['Training', trainingText(run.hyperparameters)],
      ['Kept', keptText(run)],
      ['Seed', String(run.seed)],
      ['Search', trialText(run)],
    ]),
    run.evaluation &&
      el(
        'details',
        { id: 'evaluation' },
        el('summary', { id: 'evaluation-summary' }, `Its evaluation: RMSE ${run.evaluation.rmse.toFixed(4)}`),
        evaluationView(run.evaluation),
      ),
  ];
}

const SPLITS = {
  HASH: (share) => `${share} of the ratings at random`,
  TEMPORAL: (share) => `the newest ${share} of the ratings`,
  LEAVE_LAST_OUT: () => 'the last rating of each user',
};

function splitText({ kind, testFraction }) {
  return `held out: ${SPLITS[kind]?.(percent(testFraction)) ?? kind}`;
}

function percent(share) {
  return `${Number((share * 100).toPrecision(3))} %`;
}

/** Trials are judged by ratings held out of training, and have no test figures. */
function trialText({ trial, rung, validationRmse }) {
  if (trial === null) return null;
  const result = validationRmse === null ? '' : `: RMSE ${validationRmse.toFixed(4)} on validation ratings`;
  return `trial ${trial}${rung === null ? '' : `, rung ${rung}`}${result}`;
}

/** Of a run that holds ratings out to tell its best epoch. */
function keptText({
  status,
  keptEpoch,
  epochs,
  hyperparameters: { validationFraction, patience, ...asked },
}) {
  if (validationFraction === 0 || keptEpoch === null) return null;
  const isEarly = status === 'SUCCEEDED' && epochs.length < asked.epochs;
  const stopped = isEarly ? `; stopped early, ${patience} epochs after it` : '';
  return `epoch ${keptEpoch}, the lowest loss on ${percent(validationFraction)} of the training ratings${stopped}`;
}

function modelText({ embeddingWidth, hiddenLayers, biases, dotProduct, sideInformation }) {
  const parts = [
    (hiddenLayers.length > 0 || dotProduct) && `embeddings of ${embeddingWidth}`,
    hiddenLayers.length > 0 && `hidden layers ${hiddenLayers.join(', ')}`,
    biases && 'biases of users and movies',
    dotProduct && 'dot product',
    sideInformation && 'genres, decades and demographics in the priors',
  ];
  return parts.filter(Boolean).join(', ');
}

function trainingText(hyperparameters) {
  const { kind, epochs, burnIn } = hyperparameters;
  if (kind === 'BAYES') return `${epochs} sweeps of a Gibbs sampler, their mean without the first ${burnIn}`;
  const { optimizer, learningRate, learningRateDecay, momentum, batchSize } = hyperparameters;
  const { l2Embeddings, l2Biases, l2Weights } = hyperparameters;
  const parts = [
    `${optimizer}, learning rate ${learningRate}`,
    learningRateDecay < 1 && `times ${learningRateDecay} each epoch`,
    optimizer === 'SGD' && `momentum ${momentum}`,
    `batches of ${count(batchSize)}`,
    l2Embeddings > 0 && `L2 of embeddings ${l2Embeddings}`,
    l2Biases > 0 && `L2 of biases ${l2Biases}`,
    l2Weights > 0 && `L2 of weights ${l2Weights}`,
  ];
  return parts.filter(Boolean).join(', ');
}

function lossesView({ epochs, hyperparameters }, epochCount, width) {
  const number = { numeric: true };
  // Not of runs that were recorded before sweeps told it.
  const isSampled = epochs.every(({ noise }) => noise !== null);
  return [
    el(
      'p',
      { class: 'legend' },
      el('span', { class: 'train' }, 'training'),
      el('span', { class: 'validation' }, 'validation (held-out ratings)'),
    ),
    lossChart(epochs, epochCount, width),
    el(
      'details',
      { id: 'losses' },
      el('summary', { id: 'losses-summary' }, 'The figures, and how to read them'),
      el('p', { class: 'muted' }, lossText(hyperparameters)),
      table(
        'Mean squared error by epoch',
        [
          { title: 'Epoch' },
          { title: 'Training', ...number },
          { title: 'Validation', ...number },
          ...(isSampled ? [{ title: 'Noise', ...number }] : []),
          { title: 'Seconds', ...number },
          { title: 'Ratings/s', ...number, minor: true },
        ],
        epochs.map((each) => ({
          cells: [
            String(each.epoch),
            each.trainLoss.toFixed(4),
            each.validationLoss.toFixed(4),
            ...(isSampled ? [each.noise.toFixed(4)] : []),
            each.seconds.toFixed(1),
            count(Math.round(each.samplesPerSecond)),
          ],
        })),
      ),
    ),
  ];
}

function lossText({ kind, validationFraction }) {
  const training =
    kind === 'BAYES'
      ? 'Training loss is that of the sweep’s own draw; validation loss is that of the mean so far'
      : 'Training loss is the mean over the epoch’s batches, each taken before its update; validation loss is taken after the epoch';
  const validation =
    validationFraction > 0
      ? `on ${percent(validationFraction)} of the training ratings, held out for it: the epoch where it is lowest is kept.`
      : 'on the test ratings. Nothing is decided by it: the model is that of the last epoch.';
  return `${training}, ${validation}`;
}
