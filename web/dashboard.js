// The dashboard: asks the API, hands the answers to views.js, wires the forms. Polls only while a run is on its way.

import { el, problemList, show } from './dom.js';
import {
  ACTIVE_MODEL,
  ask,
  ENGINES,
  MODELS,
  PROMOTE,
  RECOMMEND,
  RUN,
  RUNS,
  refusals,
  START,
  STORE,
} from './graphql.js';
import { runsView, runView } from './runViews.js';
import { enginesView, modelsView, modelView, recommendationsView, storeView } from './views.js';

const POLL_MS = 2000;

/** selectedId: the run whose curves are shown; run: that run; active: ids of the runs on their way. */
const state = { selectedId: null, run: null, active: new Set(), timer: 0 };
const byId = (id) => document.getElementById(id);

byId('curl').textContent = [
  `curl ${location.origin}/graphql \\`,
  `  --header 'content-type: application/json' \\`,
  `  --data '{"query": "{ popularMovies(first: 3) { title meanRating } }"}'`,
].join('\n');
byId('refresh').addEventListener('click', refresh);
byId('train-form').addEventListener('submit', startRun);
byId('recommend-form').addEventListener('submit', recommend);
document.addEventListener('visibilitychange', () => document.hidden || refresh());
window.addEventListener('resize', () => state.run && drawRun());

await refresh();

async function refresh() {
  const problems = [...(await loadOverview()), ...(await loadRuns())];
  const isNew = ({ message }, i) => problems.findIndex((each) => each.message === message) === i;
  show('problems', problemList(problems.filter(isNew)));
}

/** Gives the problems that it met; parts without an answer say so. */
async function loadOverview() {
  const [store, model, models, engines] = await Promise.all(
    [STORE, ACTIVE_MODEL, MODELS, ENGINES].map((query) => ask(query)),
  );
  showPart('store', store.data, storeView);
  // null is an answer, too: no model is active. After an error it is none.
  showPart('model', model.problems.length === 0 ? model.data : null, ({ activeModel }) =>
    modelView(activeModel),
  );
  showPart('models', models.data, (data) => modelsView(data.models, promote));
  showPart('engines', engines.data, (data) => enginesView(data.engines));
  if (engines.data) offerEngines(engines.data.engines);
  if (store.data) offerGenres(store.data.popularMovies);
  return [store, model, models, engines].flatMap(({ problems }) => problems);
}

function showPart(id, data, view) {
  show(id, data ? view(data) : el('p', { class: 'muted' }, 'Not available.'));
}

function offerGenres(movies) {
  const genres = new Set(movies.flatMap((movie) => movie.genres));
  show(
    'genres',
    [...genres].sort().map((genre) => el('option', { value: genre })),
  );
}

function offerEngines(engines) {
  const chosen = byId('engine-choice').value;
  const options = engines.map(({ name, available }) =>
    el('option', { value: name, disabled: !available }, available ? name : `${name} (unavailable)`),
  );
  show('engine-choice', el('option', { value: 'auto' }, 'auto: the fastest'), options);
  byId('engine-choice').value = chosen;
}

/** Reads the list and the selected run, draws them, and asks again later while a run is on its way. */
async function loadRuns() {
  const { data, problems } = await ask(RUNS);
  const runs = data?.trainingRuns.nodes;
  if (runs) {
    state.selectedId ??= runs[0]?.id ?? null;
    const { hasNextPage } = data.trainingRuns.pageInfo;
    show('runs', runsView(runs, hasNextPage, state.selectedId, selectRun));
    problems.push(...(await loadRun()), ...(await noteEnded(runs)));
    state.active = new Set(runs.filter(isActive).map((run) => run.id));
  } else show('runs', el('p', { class: 'muted' }, 'Not available.'));
  // One timer, also when two of these overlap.
  clearTimeout(state.timer);
  if (state.active.size > 0 && !document.hidden) state.timer = setTimeout(poll, POLL_MS);
  return problems;
}

async function poll() {
  show('problems', problemList(await loadRuns()));
}

function isActive({ status }) {
  return status === 'QUEUED' || status === 'RUNNING';
}

/** A run that has ended may have left another active model. */
async function noteEnded(runs) {
  const ended = runs.filter((run) => state.active.has(run.id) && !isActive(run));
  if (ended.length === 0) return [];
  show(
    'news',
    ended.map((run) => el('p', {}, `A run of preset ${run.preset} ended: ${run.status.toLowerCase()}.`)),
  );
  return loadOverview();
}

async function selectRun(id) {
  state.selectedId = id;
  show('problems', problemList(await loadRuns()));
}

async function loadRun() {
  if (state.selectedId === null) return [];
  const { data, problems } = await ask(RUN, { id: state.selectedId });
  // Another run may have been chosen meanwhile.
  if (data?.trainingRun?.id === state.selectedId) {
    state.run = data.trainingRun;
    drawRun();
  }
  return problems;
}

function drawRun() {
  const open = [...byId('run').querySelectorAll('details[open]')].map(({ id }) => id);
  show('run', runView(state.run, Math.max(260, byId('run').clientWidth)));
  for (const id of open) byId(id)?.setAttribute('open', '');
}

async function startRun(event) {
  event.preventDefault();
  const form = new FormData(event.target);
  const epochs = numberOf(form.get('epochs'));
  const input = {
    preset: form.get('preset'),
    engine: form.get('engine'),
    promote: form.has('promote'),
    hyperparameters: epochs === null ? null : { epochs },
  };
  const { data, problems } = await ask(START, { input });
  const refused = refusals(data?.startTrainingRun);
  show('train-answer', problemList([...problems, ...refused]));
  const run = data?.startTrainingRun?.trainingRun;
  if (!run) return;
  show('news', el('p', {}, 'The run is queued.'));
  await selectRun(run.id);
  // Where queries are answered by a replica it may not be there yet.
  if (state.active.size === 0) state.timer = setTimeout(poll, POLL_MS);
}

async function promote({ id, version }) {
  let { data, problems } = await ask(PROMOTE, { id });
  const [refusal] = data?.promoteModel?.userErrors ?? [];
  if (refusal?.code.startsWith('MODEL_') && window.confirm(`${refusal.message}\n\nPromote it all the same?`))
    ({ data, problems } = await ask(PROMOTE, { id, force: true }));
  const failed = [...problems, ...refusals(data?.promoteModel)];
  show('promote-answer', problemList(failed));
  if (failed.length === 0) show('news', el('p', {}, `Model ${version} is active now.`));
  show('problems', problemList(await loadOverview()));
}

async function recommend(event) {
  event.preventDefault();
  const form = new FormData(event.target);
  const genre = form.get('genre').trim();
  const variables = {
    userId: numberOf(form.get('userId')),
    filter: {
      genresAny: genre ? [genre] : null,
      yearFrom: numberOf(form.get('yearFrom')),
      yearTo: numberOf(form.get('yearTo')),
    },
  };
  if (variables.userId === null) {
    show('recommendations', problemList([{ message: 'User is empty.', hint: 'Type the number of a user.' }]));
    return;
  }
  await addPage(variables, []);
}

/** pages: those already shown; they stay when the next one fails. */
async function addPage(variables, pages) {
  const { data, problems } = await ask(RECOMMEND, variables);
  if (problems.length > 0) {
    const kept = pages.length > 0 ? [...byId('recommendations').childNodes] : [];
    show('recommendations', kept, problemList(problems));
    return;
  }
  const page = data.user?.recommendations;
  const all = page ? [...pages, page] : pages;
  const onMore = page?.pageInfo.hasNextPage
    ? () => addPage({ ...variables, after: page.pageInfo.endCursor }, all)
    : null;
  show('recommendations', recommendationsView(variables.userId, data.user, all, onMore));
}

/** null for an empty field; what is no number is left to the API to refuse. */
function numberOf(text) {
  return text.trim() === '' ? null : Number(text);
}
