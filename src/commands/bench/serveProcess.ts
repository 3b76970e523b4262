// `marquee serve` with its worker, in a process of its own: the bench that asks must not share the event loop that it measures.
// Ends when its parent does, or closes the channel.

import type { Config } from '../../config.js';
import { openStore } from '../../store/store.js';
import type { Output } from '../output.js';
import { serve } from '../serve.js';

export interface ServeRequest {
  url: string;
  config: Config;
  version: string;
}

process.once('message', async ({ url, config, version }: ServeRequest) => {
  const stop = new AbortController();
  process.once('disconnect', () => stop.abort());
  const store = await openStore(url);
  const output: Output = { event: (fields) => process.send!(fields), progress() {} };
  const io = { config, version, output: () => output };
  await serve({ store, signal: stop.signal }, io, { host: config.host, port: 0, worker: true }, output);
  await store.close();
});
