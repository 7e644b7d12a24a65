/** Bundles the program into dist/: one file a command; what is imported lazily stays lazy. */
import { chmodSync, cpSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { build, type Plugin } from 'esbuild';

const require = createRequire(import.meta.url);

/**
 * undici's index brings fetch, WebSocket, caches and mocks, and Express brings body parsers with every character set: two
 * thirds of the bundle, read at each start and never used here. The bundle takes undici's two parts that the road uses, and
 * leaves Express' parsers out; a call of one would fail loudly.
 */
const UNDICI = `
  export { default as Pool } from 'undici/lib/dispatcher/pool.js';
  export { default as EnvHttpProxyAgent } from 'undici/lib/dispatcher/env-http-proxy-agent.js';
`;
const NO_PARSERS = `
  const refuse = () => { throw new Error('the bundle has no body parser'); };
  module.exports = { json: refuse, raw: refuse, text: refuse, urlencoded: refuse };
`;

const lean: Plugin = {
  name: 'lean',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^undici$/ }, () => ({ path: 'undici', namespace: 'lean' }));
    onResolve({ filter: /^body-parser$/ }, () => ({ path: 'body-parser', namespace: 'lean' }));
    onLoad({ filter: /^undici$/, namespace: 'lean' }, () => ({ contents: UNDICI, resolveDir: process.cwd() }));
    onLoad({ filter: /^body-parser$/, namespace: 'lean' }, () => ({ contents: NO_PARSERS, resolveDir: process.cwd() }));
  },
};

// The two deep paths are not undici's public names: a new version that moves them must fail here, not in a pod.
for (const path of ['pool', 'env-http-proxy-agent']) require.resolve(`undici/lib/dispatcher/${path}.js`);

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
cpSync('src/budgets/lua', 'dist/chunks/lua', { recursive: true });
chmodSync('dist/main.js', 0o755);
