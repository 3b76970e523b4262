// The list of runs, and one run with its losses: values in, elements out. No requests and no state.

import { el, facts, problemList, table } from './dom.js';
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
          run.preset,
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
    run.epochs.length > 0 && lossesView(run.epochs, epochs, width),
    run.epochs.length === 0 &&
      !run.error &&
      el('p', { class: 'muted' }, 'The curves begin when the first epoch is done.'),
    facts([
      ['Engine', run.device ? `${run.engine} (${run.device})` : run.engine],
      [
        'Ratings',
        run.trainRatings && `${count(run.trainRatings)} to train on, ${count(run.testRatings)} held out`,
      ],
      ['Model', modelText(run.hyperparameters)],
      ['Optimizer', optimizerText(run.hyperparameters)],
      ['Seed', String(run.seed)],
    ]),
  ];
}

function modelText({ embeddingWidth, hiddenLayers, biases, dotProduct }) {
  const parts = [
    (hiddenLayers.length > 0 || dotProduct) && `embeddings of ${embeddingWidth}`,
    hiddenLayers.length > 0 && `hidden layers ${hiddenLayers.join(', ')}`,
    biases && 'biases of users and movies',
    dotProduct && 'dot product',
  ];
  return parts.filter(Boolean).join(', ');
}

function optimizerText(hyperparameters) {
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

function lossesView(epochs, epochCount, width) {
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
      el(
        'p',
        { class: 'muted' },
        'Training loss is the mean over the epoch’s batches, each taken before its update, or of a sweep’s draw; validation loss is taken after the epoch. Without ratings held out for it (validationFraction) it is taken on the test ratings, and nothing is decided by it: no early stop, no choice of epoch.',
      ),
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
