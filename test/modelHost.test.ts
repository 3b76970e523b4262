import { openModelHost } from '#src/scoring/modelHost.js';
import { createModelHosts } from '#src/scoring/modelHosts.js';
import { findActiveModel } from '#src/store/models.js';
import { importSynthetic, openTestStore, type TestStore, train } from './support/store.js';

const ROW = Int32Array.of(0);

let store: TestStore;
let modelId: number;
beforeAll(async () => {
  store = await openTestStore();
  await importSynthetic(store);
  await train(store);
  modelId = (await findActiveModel(store))!.id;
});
afterAll(() => store.drop());

test('a model in a thread gives the same score for a pair alone and among all movies', async () => {
  const host = await openModelHost({ databaseUrl: store.url, modelId });
  const [one] = await host.predict(Int32Array.of(3), Int32Array.of(5));
  const all = await host.scoreMovies(Int32Array.of(2, 3));
  await host.close();
  expect(all.length).toBe(160);
  expect(all[80 + 5]).toBeCloseTo(one, 5);
});

test('a question to a thread that has ended fails instead of waiting for ever', async () => {
  const host = await openModelHost({ databaseUrl: store.url, modelId });
  const inHand = host.predict(ROW, ROW);
  await host.close();
  await expect(inHand).rejects.toThrow('the scoring thread has ended');
  await expect(host.predict(ROW, ROW)).rejects.toThrow('the scoring thread has ended');
});

test('a model whose thread has died is opened anew', async () => {
  const hosts = createModelHosts(store.url);
  await hosts.use(modelId, (host) => host.close());
  const outputs = await hosts.use(modelId, (host) => host.predict(ROW, ROW));
  await hosts.close();
  expect(outputs.length).toBe(1);
});

test('a model that does not exist is an error each time it is asked for', async () => {
  const hosts = createModelHosts(store.url);
  await expect(hosts.use(999, (host) => host.predict(ROW, ROW))).rejects.toThrow('no model 999');
  await expect(hosts.use(999, (host) => host.predict(ROW, ROW))).rejects.toThrow('no model 999');
  await hosts.close();
});
