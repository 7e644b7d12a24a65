/** Bundles the program into dist/: one file a command; what is imported lazily stays lazy. */
import { chmodSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { build, type Plugin } from 'esbuild';
import { loadScripts, SCRIPT_NAMES } from './src/budgets/scripts.ts';

const require = createRequire(import.meta.url);

/**
 * undici's index brings fetch, WebSocket, caches and mocks. The road takes the two parts that it uses; commands beside it may
 * have undici whole, in chunks of their own.
 */
const ROAD = /[\\/]src[\\/]upstream[\\/]/;
const UNDICI = `
  // undici's index gives dispatchers their methods; a proxy's needs one of them.
  import Dispatcher from 'undici/lib/dispatcher/dispatcher.js';
  import connect from 'undici/lib/api/api-connect.js';
  Dispatcher.prototype.connect = connect;
  export { default as Pool } from 'undici/lib/dispatcher/pool.js';
  export { default as EnvHttpProxyAgent } from 'undici/lib/dispatcher/env-http-proxy-agent.js';
`;

/** The watch of a ConfigMap needs fetch, which the client library calls, and no more. */
const WATCH = /[\\/]src[\\/]kubernetes[\\/]|[\\/]client-node[\\/]dist[\\/](?:watch|gen[\\/]http[\\/][\w-]+)\.js$/;
const UNDICI_FETCH = `
  export { default as Agent } from 'undici/lib/dispatcher/agent.js';
  export { default as buildConnector } from 'undici/lib/core/connect.js';
  export { fetch } from 'undici/lib/web/fetch/index.js';
`;

/**
 * An ES import of node:http reads each of its exports, and one of them (WebSocket) makes Node load its own undici: 30 ms of
 * CPU at each start. require() reads only what is used.
 */
const HTTP = `module.exports = require('node:http');`;

/** Express brings body parsers with every character set, never used here; a call of one would fail loudly. */
const NO_PARSERS = `
  const refuse = () => { throw new Error('the bundle has no body parser'); };
  module.exports = { json: refuse, raw: refuse, text: refuse, urlencoded: refuse };
`;

/** Of the 2,500 media types that Express knows (15 ms at each start) those that a sidecar and its dashboard send. */
function mediaTypes(file: string): string {
  const sent = /^(?:application\/(?:json|octet-stream|x-www-form-urlencoded)|text\/(?:html|plain|css|javascript)|image\/(?:png|svg\+xml))$/;
  const known = Object.entries(require(file) as object).filter(([type]) => sent.test(type));
  return JSON.stringify(Object.fromEntries(known));
}

/** A manifest tells the version; what it says of scripts and tests is nobody's business in a pod. */
function manifest(file: string): string {
  const { version } = require(file) as { version: string };
  return JSON.stringify({ version });
}

/** The scripts for Redis as text, includes resolved: no file beside a chunk can be missing in a pod. */
function scripts(): string {
  return `export const SCRIPT_NAMES = ${JSON.stringify(SCRIPT_NAMES)}; const texts = ${JSON.stringify(loadScripts())}; export const loadScripts = () => texts;`;
}

const lean: Plugin = {
  name: 'lean',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^undici$/ }, ({ importer }) => {
      if (ROAD.test(importer)) return { path: 'undici', namespace: 'lean' };
      return WATCH.test(importer) ? { path: 'undici-fetch', namespace: 'lean' } : undefined;
    });
    onResolve({ filter: /^(?:node:)?http$/ }, ({ kind }) => (kind === 'import-statement' ? { path: 'http', namespace: 'lean' } : undefined));
    onLoad({ filter: /^undici$/, namespace: 'lean' }, () => ({ contents: UNDICI, resolveDir: process.cwd() }));
    onLoad({ filter: /^undici-fetch$/, namespace: 'lean' }, () => ({ contents: UNDICI_FETCH, resolveDir: process.cwd() }));
    onLoad({ filter: /^http$/, namespace: 'lean' }, () => ({ contents: HTTP }));
    onLoad({ filter: /[\\/]node_modules[\\/]body-parser[\\/]index\.js$/ }, () => ({ contents: NO_PARSERS }));
    onLoad({ filter: /[\\/]node_modules[\\/]mime-db[\\/]db\.json$/ }, ({ path }) => ({ contents: mediaTypes(path), loader: 'json' }));
    onLoad({ filter: /[\\/]src[\\/]budgets[\\/]scripts\.ts$/ }, () => ({ contents: scripts() }));
    onLoad({ filter: /[\\/]package\.json$/ }, ({ path }) => ({ contents: manifest(path), loader: 'json' }));
  },
};

// The deep paths are not undici's public names: a new version that moves them must fail here, not in a pod.
for (const path of ['dispatcher/pool', 'dispatcher/env-http-proxy-agent', 'dispatcher/dispatcher', 'api/api-connect', 'dispatcher/agent', 'core/connect', 'web/fetch/index']) require.resolve(`undici/lib/${path}.js`);

rmSync('dist', { recursive: true, force: true });
await build({
  entryPoints: ['src/main.ts'],
  outdir: 'dist',
  bundle: true,
  splitting: true,
  platform: 'node',
  format: 'esm',
  target: 'node24',
  minify: true,
  sourcemap: false,
  legalComments: 'none',
  logLevel: 'warning',
  chunkNames: 'chunks/[name]-[hash]',
  plugins: [lean],
  // CommonJS packages inside an ES module bundle still call require for Node's own modules.
  banner: { js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);" },
});
chmodSync('dist/main.js', 0o755);
// Alone in an image, Node would read each file twice to find out that it is a module.
writeFileSync('dist/package.json', '{"type":"module"}\n');
