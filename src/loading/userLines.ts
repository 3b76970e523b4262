// What MovieLens' older sets tell about users → rows: u.user of ml-100k, users.dat of ml-1m. No header, no quoting.

import type { Readable } from 'node:stream';
import type { UserDetails } from '../store/ratingImport.js';
import { parseLines } from './lines.js';
import { type ParsedFile, parseId, wrongId } from './movies.js';
import type { Rejects } from './rejects.js';

/** users.dat holds numbers; their meaning is in the README of ml-1m. */
const OCCUPATIONS = [
  ...['other', 'academic/educator', 'artist', 'clerical/admin', 'college/grad student', 'customer service'],
  ...['doctor/health care', 'executive/managerial', 'farmer', 'homemaker', 'K-12 student', 'lawyer'],
  ...['programmer', 'retired', 'sales/marketing', 'scientist', 'self-employed', 'technician/engineer'],
  ...['tradesman/craftsman', 'unemployed', 'writer'],
];
const AGE_MAX = 150;

type Fields = Omit<UserDetails, 'line'>;

/** user|age|gender|occupation|zip code */
export function parseUsers(
  file: string,
  stream: Readable,
  rejects: Rejects,
): Promise<ParsedFile<UserDetails>> {
  return parseLines(file, stream, rejects, (text) => {
    const fields = text.split('|');
    if (fields.length !== 5) return `expected 5 columns, found ${fields.length}`;
    const [id, age, gender, occupation, zipCode] = fields;
    return toUser(id, gender, age, occupation, zipCode);
  });
}

/** user::gender::age group::occupation's number::zip code */
export function parseUsersDat(
  file: string,
  stream: Readable,
  rejects: Rejects,
): Promise<ParsedFile<UserDetails>> {
  return parseLines(file, stream, rejects, (text) => {
    const fields = text.split('::');
    if (fields.length !== 5) return `expected 5 columns, found ${fields.length}`;
    const [id, gender, age, code, zipCode] = fields;
    const occupation = code === '' ? '' : OCCUPATIONS[/^\d+$/.test(code) ? Number(code) : -1];
    if (occupation === undefined) {
      return `occupation "${code}" is not a whole number from 0 to ${OCCUPATIONS.length - 1}`;
    }
    return toUser(id, gender, age, occupation, zipCode);
  });
}

/** Fields that are empty are not known. */
function toUser(
  id: string,
  gender: string,
  age: string,
  occupation: string,
  zipCode: string,
): Fields | string {
  const userId = parseId(id);
  if (userId === null) return wrongId('userId', id);
  if (!/^\d*$/.test(age) || Number(age) > AGE_MAX)
    return `age "${age}" is not a whole number from 0 to ${AGE_MAX}`;
  return {
    userId,
    gender: gender || null,
    age: age === '' ? null : Number(age),
    occupation: occupation || null,
    zipCode: zipCode || null,
  };
}
