import { availableParallelism } from 'node:os';
import { readConfig } from '#src/config.js';

test('without any variable everything has its default', () => {
  expect(readConfig({})).toMatchObject({
    databaseUrl: null,
    host: '127.0.0.1',
    port: 4000,
    threads: Math.min(availableParallelism(), 16),
    logLevel: 'info',
  });
});

test('MARQUEE_READ_URL is a replica of DATABASE_URL, and refused without one or in another form', () => {
  const DATABASE_URL = 'postgresql://marquee@db/marquee';
  const MARQUEE_READ_URL = 'postgresql://marquee@replica/marquee';
  expect(readConfig({ DATABASE_URL }).readUrl).toBeNull();
  expect(readConfig({ DATABASE_URL, MARQUEE_READ_URL }).readUrl).toBe(MARQUEE_READ_URL);
  expect(() => readConfig({ MARQUEE_READ_URL })).toThrow('MARQUEE_READ_URL is set without DATABASE_URL');
  expect(() => readConfig({ DATABASE_URL, MARQUEE_READ_URL: 'replica:5432' })).toThrow(
    'MARQUEE_READ_URL is not of the form postgresql://',
  );
});

test('MARQUEE_THREADS is how many threads an engine may use; empty means the default', () => {
  expect(readConfig({ MARQUEE_THREADS: '1' }).threads).toBe(1);
  expect(readConfig({ MARQUEE_THREADS: '64' }).threads).toBe(64);
  expect(readConfig({ MARQUEE_THREADS: '' }).threads).toBe(readConfig({}).threads);
});

test.each(['0', '65', '-1', '2.5', '1e1', 'all'])('MARQUEE_THREADS=%s is refused', (text) => {
  expect(() => readConfig({ MARQUEE_THREADS: text })).toThrow(
    `MARQUEE_THREADS is "${text}": expected a whole number from 1 to 64`,
  );
});

test('an unknown MARQUEE_ variable is refused by name', () => {
  expect(() => readConfig({ MARQUEE_THREAD: '2' })).toThrow('unknown environment variable MARQUEE_THREAD');
});
