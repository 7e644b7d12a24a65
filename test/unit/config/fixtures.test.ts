/** Every way to be wrong, one small file each, with the messages it must give written at its top. */
import { describe, expect, test } from '@jest/globals';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseConfig } from '../../../src/config/load.ts';

const folder = join(import.meta.dirname, '../../fixtures/config');
const files = readdirSync(folder).filter((name) => name.endsWith('.yaml'));

function marked(text: string, mark: string): string[] {
  return text.split('\n').flatMap((line) => (line.startsWith(`# ${mark}: `) ? [line.slice(mark.length + 4)] : []));
}

function said(problems: readonly { line: number; column: number; message: string }[]): string[] {
  return problems.map(({ line, column, message }) => `${line}:${column}: ${message}`);
}

describe('fixtures', () => {
  test('are many', () => expect(files.length).toBeGreaterThan(100));

  test.each(files)('%s', (name) => {
    const text = readFileSync(join(folder, name), 'utf8');
    const expected = marked(text, 'expect');
    const result = parseConfig(text, name);
    if (result.ok) {
      expect(said(result.inactive)).toEqual(marked(text, 'warn'));
      expect(expected).toEqual([]);
      return;
    }
    expect(said(result.problems)).toEqual(expected);
    expect(expected.length).toBeGreaterThan(0);
    expect(JSON.stringify(result.problems)).not.toMatch(/hunter2|FAKE/);
    expect(result.problems.every(({ file }) => file === name)).toBe(true);
  });

  // A change of the file's lines must not leave a message pointing past them.
  test.each(files)('%s with Windows line ends says the same', (name) => {
    const text = readFileSync(join(folder, name), 'utf8');
    const result = parseConfig(text.replaceAll('\n', '\r\n'), name);
    expect(said(result.ok ? result.inactive : result.problems)).toEqual(marked(text, result.ok ? 'warn' : 'expect'));
  });
});
