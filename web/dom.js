// Elements from values. Everything that comes from the API passes here as text, never as HTML.

const SVG = 'http://www.w3.org/2000/svg';

/** Children: nodes, texts, lists of them; null and false are left out. Attributes named on… are listeners. */
export function el(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (value !== false && value !== null && value !== undefined)
      element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children.flat(Infinity).filter(isShown));
  return element;
}

/** Replaces what is in the element with this id; whoever had the keyboard focus gets it back. */
export function show(id, ...children) {
  const place = document.getElementById(id);
  const focused = place.contains(document.activeElement) ? document.activeElement.id : '';
  place.classList.remove('loading');
  place.replaceChildren(...children.flat(Infinity).filter(isShown));
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
}

function isShown(child) {
  return child !== null && child !== undefined && child !== false;
}

/** columns: { title, numeric, minor }; minor ones are left out on narrow screens. rows: { cells, marked }. */
export function table(caption, columns, rows) {
  const kind = ({ numeric, minor }) =>
    [numeric && 'numeric', minor && 'minor'].filter(Boolean).join(' ') || null;
  const head = columns.map((column) => el('th', { scope: 'col', class: kind(column) }, column.title));
  const body = rows.map(({ cells, marked }) =>
    el(
      'tr',
      { class: marked && 'marked' },
      cells.map((cell, i) =>
        i === 0 ? el('th', { scope: 'row' }, cell) : el('td', { class: kind(columns[i]) }, cell),
      ),
    ),
  );
  // Focusable, so that the keyboard can scroll it where it is wider than the screen.
  return el(
    'div',
    { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': caption },
    el('table', {}, el('caption', {}, caption), el('thead', {}, el('tr', {}, head)), el('tbody', {}, body)),
  );
}

/** pairs: [term, what it is]; those without a value are left out. */
export function facts(pairs) {
  const known = pairs.filter(([, value]) => value !== null && value !== undefined && value !== '');
  return el(
    'dl',
    {},
    known.map(([term, value]) => el('div', {}, el('dt', {}, term), el('dd', {}, value))),
  );
}

/** problems: { message, hint, code } */
export function problemList(problems) {
  return problems.map(({ message, hint, code }) =>
    el(
      'p',
      { class: 'problem' },
      code && el('strong', {}, `${code}: `),
      message,
      hint && el('span', { class: 'hint' }, hint),
    ),
  );
}
