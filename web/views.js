// What the dashboard shows, runs apart (runViews.js): values in, elements out. No requests and no state.

import { el, facts, table } from './dom.js';
import { count, when } from './format.js';

const SOURCES = { MODEL: 'model', FOLD_IN: 'fold-in', FALLBACK: 'fallback' };

export function storeView({ users, movies, imports }) {
  const latest = imports?.nodes[0];
  return [
    facts([
      ['Users', count(users?.totalCount)],
      ['Movies', count(movies?.totalCount)],
      [
        'Latest import',
        latest && `${latest.status.toLowerCase()}, ${when(latest.finishedAt ?? latest.startedAt)}`,
      ],
      ['Its source', latest && el('code', {}, latest.source)],
      ['Lines read', latest && latest.status === 'SUCCEEDED' && accountOf(latest)],
    ]),
    latest?.error &&
      el('p', { class: 'problem' }, `The latest import failed, the store is as before: ${latest.error}`),
    imports &&
      !latest &&
      el('p', {}, 'Nothing has been imported yet: ', el('code', {}, 'npx marquee import <path>')),
  ];
}

function accountOf({ linesRead, inserted, updated, unchanged, rejected }) {
  return (
    `${count(linesRead)} = ${count(inserted)} inserted + ${count(updated)} updated + ` +
    `${count(unchanged)} unchanged + ${count(rejected)} rejected`
  );
}

export function modelView(model) {
  if (!model) return el('p', {}, 'No model is active yet. Start a training run below, or promote a model.');
  const { run } = model;
  return [
    facts([
      ['Version', String(model.version)],
      ['Trained', `${when(model.createdAt)}, preset ${run.preset}, ${run.engine}`],
      ['Promoted', when(model.promotedAt)],
      ['Embeddings', `${count(model.users)} users, ${count(model.movies)} movies`],
      ['Parameters', `${count(model.parameters)} (${(model.bytes / 1e6).toFixed(1)} MB)`],
    ]),
    run.evaluation && evaluationView(run.evaluation),
  ];
}

function evaluationView({ testRatings, baselines, confusion, ranking, ...figures }) {
  const rows = [{ name: 'this model', ...figures }, ...baselines].sort((a, b) => a.rmse - b.rmse);
  const number = { numeric: true };
  return [
    table(
      `Errors on ${count(testRatings)} test ratings; lower is better`,
      [
        { title: 'Predictor' },
        { title: 'RMSE', ...number },
        { title: 'MAE', ...number },
        { title: 'MSE', ...number },
      ],
      rows.map(({ name, rmse, mae, mse }) => ({
        cells: [name, rmse.toFixed(4), mae.toFixed(4), mse.toFixed(4)],
        marked: name === 'this model',
      })),
    ),
    el('p', {}, verdict(figures.rmse, baselines)),
    confusionView(confusion),
    ranking && rankingView(ranking),
  ];
}

function verdict(rmse, baselines) {
  const best = baselines.reduce((a, b) => (b.rmse < a.rmse ? b : a));
  const percent = (Math.abs(1 - rmse / best.rmse) * 100).toFixed(1);
  const comparison =
    rmse < best.rmse
      ? `The model’s RMSE is ${percent} % below that of the best baseline (${best.name}).`
      : `The model does not beat the best baseline (${best.name}): its RMSE is ${percent} % above. More epochs or other settings may help.`;
  return `${comparison} The baselines are fitted on the same training ratings.`;
}

function confusionView({ threshold, accuracy, ...cells }) {
  const number = { numeric: true };
  return table(
    `Test ratings above or below their mean, ${threshold.toFixed(3)} stars: ${(accuracy * 100).toFixed(1)} % on the right side`,
    [{ title: '' }, { title: 'Predicted below', ...number }, { title: 'Predicted above', ...number }],
    [
      { cells: ['Actually below', count(cells.trueNegatives), count(cells.falsePositives)] },
      { cells: ['Actually above', count(cells.falseNegatives), count(cells.truePositives)] },
    ],
  );
}

function rankingView({ k, users, baselines, ...figures }) {
  const rows = [{ name: 'this model', ...figures }, ...baselines].sort((a, b) => b.ndcg - a.ndcg);
  const number = { numeric: true };
  return table(
    `Lists of ${k} out of all movies, of ${count(users)} users; higher is better`,
    [
      { title: 'Order' },
      { title: 'NDCG', ...number },
      { title: 'Recall', ...number },
      { title: 'Coverage', ...number },
    ],
    rows.map(({ name, ndcg, recall, coverage }) => ({
      cells: [name, ndcg.toFixed(4), recall.toFixed(4), coverage.toFixed(4)],
      marked: name === 'this model',
    })),
  );
}

/** onPromote: called with a model. */
export function modelsView({ nodes, pageInfo }, onPromote) {
  if (nodes.length === 0) return el('p', {}, 'No model yet: a run that succeeds leaves one.');
  return [
    table(
      'Models, newest first; promoting an older one is the way back',
      [
        { title: 'Version' },
        { title: 'Test RMSE', numeric: true },
        { title: 'Trained', minor: true },
        { title: 'Active' },
      ],
      nodes.map((model) => ({
        marked: model.active,
        cells: [
          `${model.version} (${model.run.preset})`,
          model.run.evaluation?.rmse.toFixed(4) ?? '–',
          when(model.createdAt),
          model.active
            ? 'active'
            : el(
                'button',
                {
                  type: 'button',
                  id: `promote-${model.id}`,
                  'aria-label': `Promote model ${model.version}`,
                  onclick: () => onPromote(model),
                },
                'Promote',
              ),
        ],
      })),
    ),
    pageInfo.hasNextPage && el('p', { class: 'muted' }, 'Older models: query models in the explorer.'),
  ];
}

export function enginesView(engines) {
  return table(
    'What this server can train on, fastest first',
    [{ title: 'Engine' }, { title: 'Device, or why it cannot be used' }],
    engines.map(({ name, available, device, reason }) => ({
      cells: [
        el('code', {}, name),
        available
          ? el('span', {}, `available: ${device}`)
          : el('span', { class: 'muted' }, `unavailable: ${reason}`),
      ],
    })),
  );
}

/** user: null when there is none; pages: all that have been fetched; onMore: null on the last one. */
export function recommendationsView(userId, user, pages, onMore) {
  if (!user)
    return el('p', { class: 'problem' }, `There is no user ${userId}. Users are listed by the query users.`);
  const rows = pages.flatMap(({ nodes }) => nodes);
  if (rows.length === 0) return [aboutUser(user), el('p', {}, 'No movie passes the filter.')];
  return [
    aboutUser(user),
    table(
      'Best first, without what they have rated',
      [{ title: '#' }, { title: 'Movie' }, { title: 'Predicted stars', numeric: true }, { title: 'From' }],
      rows.map(({ rank, predictedRating, source, movie }) => ({
        cells: [
          String(rank),
          [titleOf(movie), el('small', {}, movie.genres.join(', '))],
          predictedRating.toFixed(2),
          SOURCES[source] ?? source,
        ],
      })),
    ),
    rows.some(({ source }) => source === 'FALLBACK') &&
      el(
        'p',
        { class: 'muted' },
        'fallback: from means of ratings, because the model has not seen this user or movie in training.',
      ),
    onMore && el('button', { type: 'button', id: 'more', onclick: onMore }, 'Ten more'),
  ];
}

function aboutUser({ userId, ratingCount, meanRating, ratings }) {
  const mean = meanRating === null ? '' : `, mean ${meanRating.toFixed(2)} stars`;
  const best = ratings.nodes.map(({ rating, movie }) => `${movie.title} (${rating})`).join('; ');
  return el(
    'p',
    {},
    `User ${userId}: ${count(ratingCount)} ratings${mean}. ${best && `Rated highest: ${best}.`}`,
  );
}

function titleOf({ title, year }) {
  return year === null ? title : `${title} (${year})`;
}
