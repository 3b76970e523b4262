// What an evaluation says of a model: its errors beside the baselines, what its intervals held, its lists. Values in, elements out.

import { el, table } from './dom.js';
import { count } from './format.js';

export function evaluationView({ testRatings, baselines, confusion, auc, intervals, ranking, ...figures }) {
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
    intervals.length > 0 && el('p', {}, held(intervals)),
    confusionView(confusion, auc),
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

/** Of models that know how sure they are. */
function held(intervals) {
  const percent = (share) => `${Number((share * 100).toFixed(1))} %`;
  const shares = intervals.map(({ level, held }) => `${percent(held)} (${percent(level)} promised)`);
  return `Of the test ratings the intervals of predicted ratings hold ${shares.join(', ')}.`;
}

function confusionView({ threshold, accuracy, precision, recall, ...cells }, auc) {
  const number = { numeric: true };
  const known = [
    precision !== null && `precision ${precision.toFixed(3)}`,
    recall !== null && `recall ${recall.toFixed(3)}`,
    auc !== null && `AUC ${auc.toFixed(3)} (0.5: no order at all)`,
  ].filter(Boolean);
  const matrix = table(
    `Test ratings above or below their mean, ${threshold.toFixed(3)} stars: ${(accuracy * 100).toFixed(1)} % on the right side`,
    [{ title: '' }, { title: 'Predicted below', ...number }, { title: 'Predicted above', ...number }],
    [
      { cells: ['Actually below', count(cells.trueNegatives), count(cells.falsePositives)] },
      { cells: ['Actually above', count(cells.falseNegatives), count(cells.truePositives)] },
    ],
  );
  return [matrix, known.length > 0 && el('p', {}, `Of being above: ${known.join(', ')}.`)];
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
