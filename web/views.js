// What the dashboard shows, runs apart (runViews.js): values in, elements out. No requests and no state.

import { el, facts, table } from './dom.js';
import { evaluationView } from './evaluationViews.js';
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
