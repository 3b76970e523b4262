// The losses of a run by epoch, as SVG: training (solid) and validation (dashed), with labelled axes.

import { svg } from './dom.js';

const HEIGHT = 280;
const MARGIN = { left: 58, right: 12, top: 14, bottom: 44 };
const SERIES = [
  { field: 'trainLoss', label: 'training', className: 'train' },
  { field: 'validationLoss', label: 'validation', className: 'validation' },
];

/** epochs: at least one { epoch, trainLoss, validationLoss }; epochCount: how many there will be. */
export function lossChart(epochs, epochCount, width) {
  const losses = epochs.flatMap(({ trainLoss, validationLoss }) => [trainLoss, validationLoss]);
  const yTicks = ticksOf(Math.min(...losses), Math.max(...losses), 5);
  const [low, high] = [yTicks[0], yTicks.at(-1)];
  const last = Math.max(epochCount, 2);
  const inner = { width: width - MARGIN.left - MARGIN.right, height: HEIGHT - MARGIN.top - MARGIN.bottom };
  const x = (epoch) => MARGIN.left + ((epoch - 1) / (last - 1)) * inner.width;
  const y = (loss) => MARGIN.top + ((high - loss) / (high - low)) * inner.height;
  const [bottom, right] = [HEIGHT - MARGIN.bottom, width - MARGIN.right];
  const xTicks = ticksOf(1, last, Math.max(2, Math.min(10, Math.floor(inner.width / 45)))).filter(
    (epoch) => Number.isInteger(epoch) && epoch >= 1 && epoch <= last,
  );
  return svg(
    'svg',
    { viewBox: `0 0 ${width} ${HEIGHT}`, width, height: HEIGHT, role: 'img', 'aria-label': describe(epochs) },
    yTicks.map((loss) => [
      svg('line', { class: 'grid', x1: MARGIN.left, x2: right, y1: y(loss), y2: y(loss) }),
      svg('text', { x: MARGIN.left - 6, y: y(loss) + 4, 'text-anchor': 'end' }, format(loss, yTicks)),
    ]),
    [...new Set([1, ...xTicks])].map((epoch) =>
      svg('text', { x: x(epoch), y: bottom + 18, 'text-anchor': 'middle' }, String(epoch)),
    ),
    svg('path', { class: 'axis', d: `M${MARGIN.left},${MARGIN.top}V${bottom}H${right}` }),
    svg(
      'text',
      { class: 'title', x: MARGIN.left + inner.width / 2, y: HEIGHT - 6, 'text-anchor': 'middle' },
      'epoch',
    ),
    svg(
      'text',
      {
        class: 'title',
        transform: `translate(13 ${MARGIN.top + inner.height / 2}) rotate(-90)`,
        'text-anchor': 'middle',
      },
      'mean squared error (stars²)',
    ),
    SERIES.map(({ field, label, className }) => [
      svg('polyline', {
        class: className,
        points: epochs.map((each) => `${x(each.epoch)},${y(each[field])}`).join(' '),
      }),
      epochs.map((each) =>
        svg(
          'circle',
          { class: className, cx: x(each.epoch), cy: y(each[field]), r: 3 },
          svg('title', {}, `${label}, epoch ${each.epoch}: ${each[field].toFixed(4)}`),
        ),
      ),
    ]),
  );
}

/** Round numbers around [low, high]: steps of 1, 2 or 5 times a power of ten, about `count` of them. */
function ticksOf(low, high, count) {
  const span = high > low ? high - low : Math.abs(low) || 1;
  const power = 10 ** Math.floor(Math.log10(span / count));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((each) => span / each <= count);
  const first = Math.floor(low / step);
  const last = Math.max(first + 1, Math.ceil(high / step));
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

function format(value, ticks) {
  const decimals = Math.max(...ticks.map((tick) => (String(tick).split('.')[1] ?? '').length));
  return value.toFixed(decimals);
}

function describe(epochs) {
  const { epoch, trainLoss, validationLoss } = epochs.at(-1);
  const first = epochs[0];
  return (
    `Losses by epoch. Epoch 1: training ${first.trainLoss.toFixed(4)}, validation ${first.validationLoss.toFixed(4)}. ` +
    `Epoch ${epoch}: training ${trainLoss.toFixed(4)}, validation ${validationLoss.toFixed(4)}.`
  );
}
