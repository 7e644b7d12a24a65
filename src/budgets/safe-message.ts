/** An error's text without secrets: servers repeat arguments in messages ("unknown command 'AUTH', with args …"). */
export function safeMessage(error: unknown, secrets: readonly string[]): string {
  const message = (error as { message?: unknown } | null)?.message;
  // Several addresses refused at once: Node's message is empty, its code is not.
  const code = (error as { code?: unknown } | null)?.code;
  let text = typeof message === 'string' && message !== '' ? message : typeof code === 'string' ? code : 'unknown error';
  text = text.replace(/(\w+:\/\/)[^\s/@]*@/g, '$1***@');
  for (const secret of secrets) {
    if (secret !== '') text = text.replaceAll(secret, '***');
  }
  return text;
}
