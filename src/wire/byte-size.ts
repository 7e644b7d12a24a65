const UNITS: Readonly<Record<string, number>> = { B: 1, KB: 1024, MB: 1024 ** 2, GB: 1024 ** 3 };

/** A number of bytes as people write it: `64MB`, `512KB`, `1000000`. @returns undefined for what is none */
export function parseByteSize(text: string): number | undefined {
  const match = /^(\d{1,12})\s*(B|KB|MB|GB)?$/i.exec(text.trim());
  return match === null ? undefined : Number(match[1]) * UNITS[(match[2] ?? 'B').toUpperCase()]!;
}
