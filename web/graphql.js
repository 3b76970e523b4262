// The way to /graphql. It never throws: whatever goes wrong is a list of problems beside the part that was answered.

/** Gives { data, problems }; data may be partial or null, problems are { message, hint, code }. */
export async function ask(query, variables = {}) {
  let response;
  try {
    response = await fetch('/graphql', {
      method: 'POST',
      // The server takes nothing else (protection against requests from other sites).
      headers: { 'content-type': 'application/json', accept: 'application/json' },
      body: JSON.stringify({ query, variables }),
    });
  } catch {
    return failure('The server does not answer.', 'Is `marquee serve` still running? Then use Refresh.');
  }
  const answer = await response.json().catch(() => null);
  if (!answer || (!answer.data && !answer.errors)) {
    return failure(`The server answered ${response.status} ${response.statusText}.`, 'Its log may tell why.');
  }
  return { data: answer.data ?? null, problems: (answer.errors ?? []).map(toProblem) };
}

function failure(message, hint) {
  return { data: null, problems: [{ message, hint, code: null }] };
}

function toProblem({ message, path, extensions }) {
  const place = path ? ` (at ${path.join('.')})` : '';
  return { message: `${message}${place}`, hint: extensions?.hint ?? null, code: extensions?.code ?? null };
}

/** A refused mutation's `userErrors`; their messages hold the hint already. */
export function refusals(payload) {
  return (payload?.userErrors ?? []).map(({ code, field, message }) => ({
    code,
    message,
    hint: field ? `Argument: ${field.join('.')}` : null,
  }));
}

const EVALUATION = `evaluation {
  testRatings rmse mae mse auc
  baselines { name rmse mae mse }
  confusion { threshold truePositives falsePositives trueNegatives falseNegatives accuracy precision recall }
  intervals { level held }
  ranking { k users ndcg recall coverage baselines { name ndcg recall coverage } }
}`;

const RUN_FIELDS = `
  id status preset engine device seed queuedAt startedAt finishedAt trainRatings testRatings
  split { kind testFraction }
  hyperparameters {
    kind embeddingWidth hiddenLayers biases dotProduct optimizer learningRate learningRateDecay momentum
    l2Embeddings l2Biases l2Weights batchSize epochs burnIn sideInformation validationFraction patience
  }
  progress { epoch epochs step steps trainLoss samplesPerSecond etaSeconds }
  error { code message hint }
  note trial rung validationRmse
  model { version }`;

// Apart, since an error in one of these fields leaves nothing of its query's answer.

export const STORE = `query Store {
  users(first: 1) { totalCount }
  movies(first: 1) { totalCount }
  imports(first: 1) {
    nodes { source status linesRead inserted updated unchanged rejected error startedAt finishedAt }
  }
  popularMovies(first: 100) { genres }
}`;

export const ACTIVE_MODEL = `query ActiveModel {
  activeModel {
    version users movies parameters bytes createdAt promotedAt
    run { preset engine ${EVALUATION} }
  }
}`;

export const MODELS = `query Models {
  models(first: 10) {
    nodes { id version active createdAt run { preset evaluation { rmse } } }
    pageInfo { hasNextPage }
  }
}`;

export const ENGINES = `query Engines { engines { name available device reason } }`;

export const RUNS = `query Runs {
  trainingRuns(first: 20) { nodes { ${RUN_FIELDS} evaluation { rmse } } pageInfo { hasNextPage } }
}`;

export const RUN = `query Run($id: ID!) {
  trainingRun(id: $id) {
    ${RUN_FIELDS} keptEpoch ${EVALUATION}
    epochs { epoch trainLoss validationLoss noise seconds samplesPerSecond }
  }
}`;

export const START = `mutation Start($input: StartTrainingRunInput!) {
  startTrainingRun(input: $input) { trainingRun { id } userErrors { field message code } }
}`;

export const PROMOTE = `mutation Promote($id: ID!, $force: Boolean) {
  promoteModel(input: { modelId: $id, force: $force }) { model { version } userErrors { field message code } }
}`;

export const RECOMMEND = `query Recommend($userId: Int!, $filter: RecommendationFilter, $after: String) {
  user(userId: $userId) {
    userId ratingCount meanRating
    ratings(first: 3, orderBy: RATING_DESC) { nodes { rating movie { title } } }
    recommendations(first: 10, after: $after, filter: $filter) {
      nodes { rank predictedRating source movie { title year genres } }
      pageInfo { hasNextPage endCursor }
    }
  }
}`;
