// Jest's transform: Node's own type stripping, so that tests run the same text as production.
const { stripTypeScriptTypes } = require('node:module');
module.exports = { process: (text) => ({ code: stripTypeScriptTypes(text) }) };
