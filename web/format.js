// Numbers and times as people read them; null stays null.

const WHEN = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'medium' });

export function count(number) {
  return number === null || number === undefined ? null : number.toLocaleString('en-US');
}

export function when(time) {
  return time ? WHEN.format(new Date(time)) : null;
}
