/** What a wrong or hostile caller may send, as bytes: each kind against each endpoint. */

export interface Case {
  readonly name: string;
  readonly bytes: Buffer;
  /** It is odd, and yet may be served. */
  readonly fine?: boolean;
  /** Its sender leaves behind it: nobody has to be answered. */
  readonly leaves?: boolean;
  /** Answered by Node itself, with a status and no body. */
  readonly bare?: boolean;
}

type Flags = Pick<Case, 'fine' | 'leaves' | 'bare'>;
type Text = string | Buffer;

export const ENDPOINTS = {
  chat: { path: '/v1/chat/completions', good: '"model":"chat","messages":[{"role":"user","content":"hi"}]' },
  completions: { path: '/v1/completions', good: '"model":"chat","prompt":"hi"' },
  embeddings: { path: '/v1/embeddings', good: '"model":"chat","input":"hi"' },
  files: { path: '/v1/files', good: '"a":1' },
} as const;

type Endpoint = keyof typeof ENDPOINTS;
const ASKED = ['chat', 'completions', 'embeddings'] as const;
const ALL = Object.keys(ENDPOINTS) as Endpoint[];

/** Every byte as it stands: a text is latin1, so that a test can say any. */
const bytes = (...parts: Text[]): Buffer => Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : part)));
const utf8 = (text: string): string => Buffer.from(text).toString('latin1');
const ON = 'x-spillway-model: primary\r\n';
const JSON_TYPE = 'content-type: application/json\r\n';
const CLOSE = 'connection: close\r\n';

function posted(path: string, body: Text, extra = ''): Buffer {
  return bytes(`POST ${path} HTTP/1.1\r\nhost: x\r\n${ON}${JSON_TYPE}${CLOSE}content-length: ${bytes(body).length}\r\n${extra}\r\n`, body);
}

const nest = (depth: number, open: string, close: string): string => open.repeat(depth) + close.repeat(depth);

/** Whole bodies that are no JSON object of UTF-8. */
const NO_JSON: Record<string, Text> = {
  nothing: '', spaces: ' \r\n\t ', 'a NUL': '\0', 'many NULs': '\0'.repeat(5000), 'a list': '[{"model":"chat"}]', 'a text': '"chat"', 'a number': '1e999', null: 'null', two: '{}{}',
  half: '{"model":"chat","a":{"b":[1,2', 'a comma too many': '{"model":"chat",}', 'single quotes': "{'model':'chat'}", 'a comment': '{"model":"chat"/* */}', 'a bare key': '{model:"chat"}',
  NaN: '{"model":"chat","a":NaN}', Infinity: '{"model":"chat","a":-Infinity}', hex: '{"model":"chat","a":0x10}', 'a plus': '{"model":"chat","a":+1}', 'leading zeros': '{"model":"chat","a":007}', 'a dot': '{"model":"chat","a":1.}', undefined: '{"model":"chat","a":undefined}',
  'a raw tab': '{"model":"chat","a":"\t"}', 'a raw NUL': '{"model":"chat","a":"\0"}', 'a lone CR': '{"model":"chat","a":"\r"}', 'a lone LF': '{"model":"chat","a":"\n"}', 'an escape that is none': '{"model":"chat","a":"\\x41"}', 'half an escape': '{"model":"chat","a":"\\u12"}', 'an open escape': '{"model":"chat","a":"\\',
  'a mark of byte order': utf8('\ufeff{"model":"chat"}'), 'UTF-16': Buffer.from('{"model":"chat"}', 'utf16le'), 'UTF-16 with its mark': bytes('\xff\xfe', Buffer.from('{"model":"chat"}', 'utf16le')), gzip: bytes('\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03'),
  'a deep list': `{"model":"chat","a":${nest(300, '[', ']')}}`, 'a deeper list': `{"model":"chat","a":${nest(100_000, '[', ']')}}`, 'deep objects': `{"model":"chat","a":${nest(300, '{"a":', '}').replace(':}', ':1}')}}`, 'an open list': `{"model":"chat","a":${'['.repeat(500_000)}`,
  overlong: '{"model":"chat","a":"\xc0\xaf"}', 'overlong, three bytes': '{"model":"chat","a":"\xe0\x80\xaf"}', 'overlong NUL': '{"model":"chat","a":"\xc0\x80"}', 'a surrogate in UTF-8': '{"model":"chat","a":"\xed\xa0\x80"}', 'beyond Unicode': '{"model":"chat","a":"\xf5\x80\x80\x80"}', 'cut UTF-8': '{"model":"chat","a":"\xe2\x82"}', 'latin1': '{"model":"chat","a":"\xe9"}', 'UTF-8 of the key': '{"mod\xc0\x80el":"chat"}',
  form: 'model=chat&messages=hi', multipart: '--b\r\ncontent-disposition: form-data; name="model"\r\n\r\nchat\r\n--b--', XML: '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
  'a request': 'GET /v1/models HTTP/1.1\r\nhost: x\r\n\r\n', 'spaces without end': ' '.repeat(500_000), 'a string without end': `{"model":"${'x'.repeat(500_000)}`, 'a number without end': `{"model":"chat","a":${'9'.repeat(100_000)}`,
};

/** Values of `model` that name none. */
const NO_MODEL = ['null', 'true', 'false', '0', '-1', '1e999', '1.5', '[]', '["chat"]', '{}', '{"model":"chat"}', '""', '" "', '"chat "', '"CHAT"', '"__proto__"', '"constructor"', '"toString"', '"../chat"', '"chat\\u0000"', '"a\\r\\nset-cookie: x"', '"\\ud800"', '"\\udc00\\ud800"', '"chat\\u200b"', utf8('"сhat"'), `"${'x'.repeat(100_000)}"`, '"%s%n"', '"${jndi:ldap://x}"', '"auto\\u0000"'];

/** Members beside the good ones: odd, not always wrong. */
const ODD_MEMBERS: Record<string, string> = {
  'a number beyond all': '"x":1e999', 'minus that': '"x":-1e999', 'a number beyond small': '"x":1e-999', 'long digits': `"x":${'9'.repeat(10_000)}`, 'minus zero': '"x":-0', 'a key of nothing': '"":1', 'a long key': `"${'k'.repeat(50_000)}":1`, 'many keys': Array.from({ length: 5000 }, (_, i) => `"k${i}":${i}`).join(','),
  'a key of the prototype': '"__proto__":{"model":"backup","stream":true}', 'an escaped __proto__': '"\\u005f_proto__":{"x":1}', constructor: '"constructor":{"prototype":{"x":1}}', toJSON: '"toJSON":"x"', hasOwnProperty: '"hasOwnProperty":1,"valueOf":null',
  'a lone surrogate': '"x":"\\ud800"', 'surrogates in the wrong order': '"x":"\\udfff\\ud800"', 'an escaped NUL': '"x":"\\u0000"', 'deep, but not too': `"x":${nest(200, '[', ']')}`, 'deep objects, but not too': `"x":${nest(200, '{"a":', '}').replace(':}', ':1}')}`, 'a wide list': `"x":[${'0,'.repeat(100_000)}0]`,
  'n of text': '"n":"3"', 'n beyond all': '"n":1e999', 'n below': '"n":-5', 'n a fraction': '"n":1.5', 'n a list': '"n":[1]', 'n huge': '"n":999999999999', 'max_tokens beyond all': '"max_tokens":1e999', 'max_tokens huge': '"max_tokens":9007199254740991', 'max_tokens below': '"max_tokens":-1', 'best_of huge': '"best_of":999999999999',
  'stream of text': '"stream":"true"', 'stream a number': '"stream":1', 'stream an object': '"stream":{}', 'stream null': '"stream":null', 'stream with options null': '"stream":true,"stream_options":null', 'stream with options of text': '"stream":true,"stream_options":"x"', 'stream with options of a list': '"stream":true,"stream_options":[]', 'usage of text': '"stream":true,"stream_options":{"include_usage":"yes"}', 'usage twice': '"stream":true,"stream_options":{"include_usage":true,"include_usage":false}', 'options deep': `"stream":true,"stream_options":{"a":${nest(200, '[', ']')}}`,
};

/** Known members that stand twice: always refused, whoever reads which. */
const TWICE = ['"model":"backup"', '"mode\\u006c":"backup"', '"\\u006d\\u006f\\u0064\\u0065\\u006c":1', '"stream":true,"stream":false', '"n":1,"n":100', '"max_tokens":1,"max_tokens":100000', '"stream_options":{},"stream_options":{}'];

/** Framing lines and what follows the head. */
const FRAMINGS: Record<string, [string, Text, Flags?]> = {
  'both framings': ['content-length: 5\r\ntransfer-encoding: chunked\r\n', '0\r\n\r\nGET /v1/x HTTP/1.1\r\n\r\n'], 'both, turned round': ['transfer-encoding: chunked\r\ncontent-length: 3\r\n', '0\r\n\r\n'], 'both in odd case': ['Content-Length: 5\r\ntRANSFER-eNCODING: Chunked\r\n', '0\r\n\r\n'],
  'two lengths': ['content-length: 5\r\ncontent-length: 6\r\n', 'abcdef'], 'one length twice': ['content-length: 2\r\ncontent-length: 2\r\n', '{}'], 'lengths in one line': ['content-length: 2, 2\r\n', '{}'], 'a length below': ['content-length: -1\r\n', '{}'], 'a length with a plus': ['content-length: +2\r\n', '{}'], 'a length in hex': ['content-length: 0x2\r\n', '{}'], 'a length of text': ['content-length: abc\r\n', '{}'], 'a length of nothing': ['content-length:\r\n', '{}'], 'a length with a fraction': ['content-length: 2.0\r\n', '{}'], 'a length with an exponent': ['content-length: 2e0\r\n', '{}'], 'a length beyond all': ['content-length: 99999999999999999999999\r\n', '{}'], 'a length beyond what is taken': ['content-length: 4000000000\r\n', '{}'], 'a length with a space within': ['content-length: 1 2\r\n', '{}'],
  'unknown coding': ['transfer-encoding: xchunked\r\n', '0\r\n\r\n'], identity: ['transfer-encoding: identity\r\n', '{}'], 'chunked, then another': ['transfer-encoding: chunked, gzip\r\n', '0\r\n\r\n'], 'gzip, chunked': ['transfer-encoding: gzip, chunked\r\n', '2\r\n{}\r\n0\r\n\r\n', { fine: true }], 'chunked twice': ['transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n', '0\r\n\r\n'], 'chunked with a tab before': ['transfer-encoding:\tchunked\r\n', '2\r\n{}\r\n0\r\n\r\n', { fine: true }], 'chunked with a vertical tab': ['transfer-encoding: \x0bchunked\r\n', '0\r\n\r\n'], 'chunked with a NUL': ['transfer-encoding: chunked\0\r\n', '0\r\n\r\n'], 'a space before the colon': ['transfer-encoding : chunked\r\n', '0\r\n\r\n'], 'a folded line': ['transfer-encoding:\r\n chunked\r\n', '0\r\n\r\n'],
  'a size that is none': ['transfer-encoding: chunked\r\n', 'zz\r\n{}\r\n0\r\n\r\n'], 'a size below': ['transfer-encoding: chunked\r\n', '-2\r\n{}\r\n0\r\n\r\n'], 'a size with 0x': ['transfer-encoding: chunked\r\n', '0x2\r\n{}\r\n0\r\n\r\n'], 'a size beyond all': ['transfer-encoding: chunked\r\n', 'fffffffffffffffff\r\n{}'], 'a size that wraps': ['transfer-encoding: chunked\r\n', '100000000000000002\r\n{}\r\n0\r\n\r\n'], 'no size': ['transfer-encoding: chunked\r\n', '\r\n{}\r\n0\r\n\r\n'], 'a size too small': ['transfer-encoding: chunked\r\n', '1\r\n{}\r\n0\r\n\r\n'], 'no line end behind a chunk': ['transfer-encoding: chunked\r\n', '2\r\n{}0\r\n\r\n'], 'a long extension': ['transfer-encoding: chunked\r\n', `2;${'a'.repeat(20_000)}\r\n{}\r\n0\r\n\r\n`], 'an extension with a lone CR': ['transfer-encoding: chunked\r\n', '2;a\rb\r\n{}\r\n0\r\n\r\n'], 'lines that end in LF': ['transfer-encoding: chunked\n', '2\n{}\n0\n\n'],
  'chunks that stop': ['transfer-encoding: chunked\r\n', '400\r\n{"model":'], 'no last chunk': ['transfer-encoding: chunked\r\n', '2\r\n{}\r\n'], 'a body that stops': ['content-length: 500\r\n', '{"model":'], 'a body that never begins': ['content-length: 500\r\n', ''], 'trailers beyond measure': ['transfer-encoding: chunked\r\n', `2\r\n{}\r\n0\r\n${'x: y\r\n'.repeat(20_000)}\r\n`], 'a chunk without end whose sender leaves': ['transfer-encoding: chunked\r\n', '400\r\n{', { leaves: true }], 'a body whose sender leaves': ['content-length: 500\r\n', '{', { leaves: true }],
};

/** Lines of the head beside the usual ones. */
const LINES: Record<string, [string, Flags?]> = {
  'no colon': ['x-a\r\n'], 'no name': [': a\r\n'], 'a space in the name': ['x a: b\r\n'], 'a NUL in the name': ['x\0a: b\r\n'], 'a NUL in the value': ['x-a: b\0c\r\n'], 'a lone CR in the value': ['x-a: b\rc: d\r\n'], 'a lone LF in the value': ['x-a: b\nx-b c\r\n'], 'a control character': ['x-a: \x01\x02\r\n'], DEL: ['x-a: \x7f\r\n'], 'a folded line': ['x-a: b\r\n c\r\n'], 'high bytes': ['x-a: \xff\xfe\r\n', { fine: true }], 'high bytes in the name': ['x-\xe9: b\r\n'],
  'one line beyond measure': [`x-a: ${'a'.repeat(20_000)}\r\n`], 'a name beyond measure': [`${'a'.repeat(20_000)}: b\r\n`], 'lines without number': ['a:\r\n'.repeat(3000)], 'as many lines as go': ['a: b\r\n'.repeat(200), { fine: true }], 'cookies without number': ['cookie: a=b\r\n'.repeat(300), { fine: true }],
  'a name of the prototype': ['__proto__: x\r\n', { fine: true }], 'a constructor': ['constructor: x\r\nprototype: y\r\n', { fine: true }], 'a host twice': ['host: y\r\n', { fine: true }], 'a second type': ['content-type: text/plain\r\n', { fine: true }], 'a bad deadline': ['x-spillway-deadline: soon\r\n', { fine: true }], 'a deadline below': ['x-spillway-deadline: -1s\r\n', { fine: true }], 'a deadline beyond all': ['x-spillway-deadline: 1e999s\r\n', { fine: true }], 'two deadlines': ['x-spillway-deadline: 5s\r\nx-spillway-deadline: 6s\r\n', { fine: true }], 'a model twice': ['x-spillway-model: backup\r\n', { fine: true }],
  'a coding of the body': ['content-encoding: gzip\r\n', { fine: true }], 'codings of the body': ['content-encoding: identity, br\r\n', { fine: true }], 'an upgrade': ['upgrade: websocket\r\nsec-websocket-key: eA==\r\nsec-websocket-version: 13\r\n', { fine: true }], 'an upgrade to HTTP/2': ['upgrade: h2c\r\nhttp2-settings: AAAA\r\n', { fine: true }], 'an expectation nobody meets': ['expect: nonsense\r\n', { bare: true }], 'connection names the framing': ['connection: content-length, content-type\r\n', { fine: true }], 'another method': ['x-http-method-override: DELETE\r\n', { fine: true }], 'many addresses': [`x-forwarded-for: ${'1.1.1.1, '.repeat(500)}\r\n`, { fine: true }], 'a text where a name may stand': ['x-spillway-app: \x80"\\${jndi:ldap://x}\r\n', { fine: true }],
};

/** First lines, and what is no HTTP at all. */
const OPENINGS: Record<string, [string, Flags?]> = {
  'HTTP/0.9': ['GET /v1/files\r\n\r\n'], 'HTTP/0.9 in spirit': ['GET /v1/files HTTP/0.9\r\nhost: x\r\n\r\n'], 'HTTP/2 by knowledge': ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'], 'HTTP/3.7': ['GET /v1/models HTTP/3.7\r\nhost: x\r\n\r\n'], 'http in small letters': ['GET /v1/models http/1.1\r\nhost: x\r\n\r\n'], 'a version beyond all': ['GET /v1/models HTTP/11.11\r\nhost: x\r\n\r\n'],
  'a method in small letters': ['get /v1/models HTTP/1.1\r\nhost: x\r\n\r\n'], 'a method nobody has': ['G@T /v1/models HTTP/1.1\r\nhost: x\r\n\r\n'], 'a long method': [`${'A'.repeat(10_000)} / HTTP/1.1\r\nhost: x\r\n\r\n`], 'no target': ['GET  HTTP/1.1\r\nhost: x\r\n\r\n'], 'a space in the target': ['GET /v1/mo dels HTTP/1.1\r\nhost: x\r\n\r\n'], 'a NUL in the target': ['GET /v1/files\0 HTTP/1.1\r\nhost: x\r\n\r\n'], 'a tab in the target': ['GET /v1/files\t/x HTTP/1.1\r\nhost: x\r\n\r\n'], 'a lone CR in the target': ['GET /v1/files\r/x HTTP/1.1\r\nhost: x\r\n\r\n'], 'a target beyond measure': [`GET /v1/${'x'.repeat(20_000)} HTTP/1.1\r\nhost: x\r\n\r\n`], 'a long target': [`GET /v1/${'x'.repeat(10_000)} HTTP/1.1\r\nhost: x\r\n${CLOSE}\r\n`],
  'asterisk form': [`OPTIONS * HTTP/1.1\r\nhost: x\r\n${CLOSE}\r\n`], 'asterisk form for another method': [`GET * HTTP/1.1\r\nhost: x\r\n${CLOSE}\r\n`], 'authority form': ['CONNECT 127.0.0.1:22 HTTP/1.1\r\nhost: 127.0.0.1:22\r\n\r\n'], 'absolute form of another host': [`GET http://169.254.169.254/latest/meta-data HTTP/1.1\r\nhost: x\r\n${CLOSE}\r\n`], 'absolute form of no host': [`GET http:///v1/x HTTP/1.1\r\nhost: x\r\n${CLOSE}\r\n`], 'absolute form of a bad host': [`GET http://[/v1/x HTTP/1.1\r\nhost: x\r\n${CLOSE}\r\n`], 'a file': [`GET file:///etc/passwd HTTP/1.1\r\nhost: x\r\n${CLOSE}\r\n`], 'absolute form of a path that is served': [`POST http://y/v1/embeddings HTTP/1.1\r\nhost: x\r\n${JSON_TYPE}${CLOSE}content-length: 2\r\n\r\n{}`],
  'up from a path': [`GET /v1/files/../../etc/passwd HTTP/1.1\r\nhost: x\r\n${ON}${CLOSE}\r\n`], 'up in code': [`GET /v1/files/%2e%2e%2f%2e%2e%2f HTTP/1.1\r\nhost: x\r\n${ON}${CLOSE}\r\n`], 'lines in code': [`GET /v1/files/%0d%0aset-cookie:a HTTP/1.1\r\nhost: x\r\n${ON}${CLOSE}\r\n`], 'a script': [`GET /<script>alert(1)</script> HTTP/1.1\r\nhost: x\r\n${CLOSE}\r\n`], 'codes that are none': [`GET /v1/models/%c0%af%zz HTTP/1.1\r\nhost: x\r\n${CLOSE}\r\n`], 'a fragment': [`GET /v1/x#/v1/models HTTP/1.1\r\nhost: x\r\n${CLOSE}\r\n`], TRACE: [`TRACE /v1/files HTTP/1.1\r\nhost: x\r\n${ON}${CLOSE}\r\n`],
  'no host': ['GET /v1/models HTTP/1.1\r\n\r\n', { bare: true }], 'an empty host': [`GET /v1/x HTTP/1.1\r\nhost:\r\n${CLOSE}\r\n`], TLS: ['\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'], SOCKS: ['\x05\x01\x00'], NULs: ['\0'.repeat(1000)], 'a mark of byte order': ['\xef\xbb\xbfGET /v1/models HTTP/1.1\r\nhost: x\r\n\r\n'], 'lines that end in CR': ['GET /v1/models HTTP/1.1\rhost: x\r\r'], 'lines that end in LF': [`GET /v1/x HTTP/1.1\nhost: x\n${CLOSE.replace('\r', '')}\n`], 'SSH': ['SSH-2.0-x\r\n'], 'Redis': ['*1\r\n$4\r\nPING\r\n'], 'SMTP': ['EHLO x\r\n'], 'random bytes': [Array.from({ length: 2000 }, (_, i) => String.fromCharCode((i * 7919 + 13) % 256)).join('')],
  'half a head whose sender leaves': ['POST /v1/files HTTP/1.1\r\nhost: x\r\nx-', { leaves: true }], 'half a line whose sender leaves': ['POS', { leaves: true }], 'nothing but a visit': ['', { leaves: true }],
};

function* bodies(): Generator<Case> {
  for (const endpoint of ASKED) {
    const { path, good } = ENDPOINTS[endpoint];
    for (const [name, body] of Object.entries(NO_JSON)) yield { name: `${endpoint}: body: ${name}`, bytes: posted(path, body) };
    const rest = good.replace('"model":"chat",', '');
    for (const model of NO_MODEL) yield { name: `${endpoint}: model ${model.slice(0, 40)}`, bytes: posted(path, `{"model":${model},${rest}}`) };
    for (const [name, member] of Object.entries(ODD_MEMBERS)) {
      yield { name: `${endpoint}: ${name}`, bytes: posted(path, `{${good},${member}}`), fine: true };
      yield { name: `${endpoint}: ${name}, first`, bytes: posted(path, `{${member},${good}}`), fine: true };
    }
    for (const twice of TWICE) yield { name: `${endpoint}: twice ${twice}`, bytes: posted(path, `{${good},${twice}}`) };
  }
  // What is only forwarded is the upstream's to judge: it wants a form.
  for (const [name, body] of Object.entries(NO_JSON)) yield { name: `files: body: ${name}`, bytes: posted(ENDPOINTS.files.path, body) };
}

function* heads(): Generator<Case> {
  for (const endpoint of ALL) {
    const { path, good } = ENDPOINTS[endpoint];
    const start = `POST ${path} HTTP/1.1\r\nhost: x\r\n${ON}${JSON_TYPE}${CLOSE}`;
    for (const [name, [lines, rest, flags]] of Object.entries(FRAMINGS)) yield { name: `${endpoint}: framing: ${name}`, bytes: bytes(start, lines, '\r\n', rest), ...flags };
    for (const [name, [lines, flags]] of Object.entries(LINES)) yield { name: `${endpoint}: head: ${name}`, bytes: posted(path, `{${good}}`, lines), ...flags };
  }
  for (const [name, [text, flags]] of Object.entries(OPENINGS)) yield { name: `opening: ${name}`, bytes: bytes(text), ...flags };
}

export const BODIES: readonly Case[] = [...bodies()];
export const HEADS: readonly Case[] = [...heads()];
