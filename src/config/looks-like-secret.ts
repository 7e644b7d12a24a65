/** Text that looks like a provider's key. It is refused wherever it stands, and never repeated in a message. */

const SHAPES = [
  String.raw`\bsk-[A-Za-z0-9_-]{12,}`,
  String.raw`\b(?:AKIA|ASIA)[A-Z0-9]{16}\b`,
  String.raw`\bABSK[A-Za-z0-9+/=_-]{16,}`,
  String.raw`\bAIza[A-Za-z0-9_-]{30,}`,
  String.raw`\b(?:gsk|xai|ghp|hf)[_-][A-Za-z0-9]{20,}`,
  String.raw`-----BEGIN [A-Z ]*PRIVATE KEY-----`,
].join('|');

export function looksLikeSecret(text: string): boolean {
  return new RegExp(SHAPES).test(text);
}

export function withoutSecrets(message: string): string {
  return message.replace(new RegExp(SHAPES, 'g'), '(hidden)');
}

/** A user's own text inside a message: short, on one line, and never a secret. */
export function quoted(text: string): string {
  const clean = withoutSecrets(text).replace(/[\p{Cc}\u2028\u2029]/gu, '?');
  return `"${clean.length > 80 ? `${clean.slice(0, 77)}...` : clean}"`;
}
