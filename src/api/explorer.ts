// /explorer: GraphiQL (npm ruru) from our own origin, so it works offline, with the queries of docs/examples loaded.

import { readdirSync, readFileSync } from 'node:fs';
import type { FastifyInstance } from 'fastify';
import { ruruHTML } from 'ruru/server';
import { serveStatic } from 'ruru/static';

const EXAMPLES = new URL('../../docs/examples/', import.meta.url);
const STATIC_PATH = '/explorer/static/';

export function addExplorer(app: FastifyInstance): void {
  const html = ruruHTML({
    endpoint: '/graphql',
    subscriptionEndpoint: '/graphql',
    staticPath: STATIC_PATH,
    clientConfig: { defaultQuery: readExamples() },
  });
  const serveFile = serveStatic(STATIC_PATH);
  app.get('/explorer', (_request, reply) => reply.type('text/html; charset=utf-8').send(html));
  app.get(`${STATIC_PATH}*`, (request, reply) => {
    reply.hijack();
    serveFile(request.raw, reply.raw, () => reply.raw.writeHead(404).end());
  });
}

/** All examples in one document: the explorer's run button offers them by name. */
function readExamples(): string {
  const names = readdirSync(EXAMPLES)
    .filter((name) => name.endsWith('.graphql'))
    .sort();
  return names.map((name) => readFileSync(new URL(name, EXAMPLES), 'utf8').trim()).join('\n\n');
}
