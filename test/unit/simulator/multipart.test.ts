import { describe, expect, test } from '@jest/globals';
import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { readForm, type Form, type FormProblem } from '../../../src/simulator/multipart.ts';
import { seeded } from '../../../src/simulator/random.ts';

const MB = 1024 * 1024;

function read(pieces: (string | Buffer)[], type = 'multipart/form-data; boundary=bnd', limit = MB): Promise<Form | FormProblem> {
  const req = Object.assign(Readable.from(pieces.map((piece) => Buffer.from(piece))), { headers: { 'content-type': type } });
  return readForm(req as unknown as IncomingMessage, limit);
}

const form = (content: string, end = '--'): string =>
  `preamble\r\n--bnd\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nbatch\r\n--bnd\r\nContent-Type: text/x\r\nContent-Disposition: form-data; name="file"; filename="a b.txt"\r\n\r\n${content}\r\n--bnd${end}\r\nepilogue`;

/** Much that looks like a boundary and is none. */
const TRICKY = 'a\r\n--bn\r\n-bnd\r\n--xbnd\r\n--BND\r\n\r\n--\r\n';

describe('a form', () => {
  test.each([1, 2, 3, 7, 50, 10_000])('in pieces of %d bytes is the same', async (size) => {
    const whole = Buffer.from(form(TRICKY));
    const pieces = Array.from({ length: Math.ceil(whole.length / size) }, (_, i) => whole.subarray(i * size, (i + 1) * size));
    const found = (await read(pieces)) as Form;
    expect([...found.fields]).toEqual([['purpose', 'batch']]);
    expect(found.file).toMatchObject({ field: 'file', filename: 'a b.txt', contentType: 'text/x', size: Buffer.byteLength(TRICKY) });
    expect(Buffer.concat(found.file!.pieces).toString()).toBe(TRICKY);
  });

  test('random bytes in random pieces come out as they went in', async () => {
    const random = seeded(7);
    const content = Buffer.from(Array.from({ length: 200_000 }, () => Math.floor(random() * 256)));
    const whole = Buffer.concat([Buffer.from(form('').split('\r\n--bnd--')[0]!), content, Buffer.from('\r\n--bnd--\r\n')]);
    const pieces: Buffer[] = [];
    for (let at = 0; at < whole.length;) {
      const next = at + 1 + Math.floor(random() * 5000);
      pieces.push(whole.subarray(at, next));
      at = next;
    }
    const { file } = (await read(pieces)) as Form;
    expect(Buffer.concat(file!.pieces).equals(content)).toBe(true);
  });

  test('a quoted boundary, and one without a preamble', async () => {
    expect(await read(['--a b\r\ncontent-disposition: form-data; name="x"\r\n\r\n1\r\n--a b--'], 'multipart/form-data; boundary="a b"')).toMatchObject({ fields: new Map([['x', '1']]) });
  });
});

describe('what is none', () => {
  test.each([
    ['no end', [form('x', '')], undefined, 'malformed'],
    ['nothing', [], undefined, 'malformed'],
    ['a part without a name', ['--bnd\r\nx: y\r\n\r\n1\r\n--bnd--'], undefined, 'malformed'],
    ['a head without end', [`--bnd\r\n${'x'.repeat(20_000)}`], undefined, 'malformed'],
    ['a mark that is none', ['--bnd\r\ncontent-disposition: form-data; name="x"\r\n\r\n1\r\n--bndxx'], undefined, 'malformed'],
    ['another type', [form('x')], 'application/json', 'not-multipart'],
    ['no boundary', [form('x')], 'multipart/form-data', 'not-multipart'],
  ])('%s', async (_, pieces, type, problem) => {
    expect(await read(pieces, type)).toEqual({ problem });
  });

  test('a file over its limit, to the byte', async () => {
    expect(await read([form('x'.repeat(100))], undefined, 100)).toMatchObject({ file: { size: 100 } });
    expect(await read([form('x'.repeat(101))], undefined, 100)).toEqual({ problem: 'too-large' });
  });

  test('who leaves midway', async () => {
    const broken = Readable.from((function* pieces() {
      yield Buffer.from(form('x', ''));
      throw Object.assign(new Error('aborted'), { code: 'ECONNRESET' });
    })());
    const req = Object.assign(broken, { headers: { 'content-type': 'multipart/form-data; boundary=bnd' } });
    expect(await readForm(req as unknown as IncomingMessage, MB)).toEqual({ problem: 'client-left' });
  });
});
