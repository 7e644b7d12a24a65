export default {
  testEnvironment: 'node',
  roots: ['<rootDir>/test'],
  testMatch: ['**/*.test.ts'],
  testPathIgnorePatterns: ['/node_modules/', '/test/real/'],
  extensionsToTreatAsEsm: ['.ts'],
  transform: { '\\.ts$': '<rootDir>/test/support/transform.cjs' },
  injectGlobals: false,
  // Jest would leave one of two cores idle; most suites wait for processes and sockets.
  maxWorkers: 2,
  testTimeout: 20_000,
};
