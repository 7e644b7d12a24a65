/** What clients have uploaded, and the batches made of it. */
export type StoredFile = {
  id: string;
  bytes: number;
  createdAt: number;
  filename: string;
  purpose: string;
  content: Buffer;
};

export type StoredBatch = { id: string; createdAt: number; endpoint: string; inputFileId: string; status: string; metadata: unknown };

export type FileStore = {
  /** What may still be kept. */
  room(): number;
  add(file: StoredFile): void;
  find(id: string): StoredFile | undefined;
  remove(id: string): boolean;
  /** Newest first. */
  list(): StoredFile[];
  readonly batches: Map<string, StoredBatch>;
  clear(): void;
};

export function createFiles(limit: number): FileStore {
  const files = new Map<string, StoredFile>();
  const batches = new Map<string, StoredBatch>();
  let used = 0;
  return {
    room: () => limit - used,
    add(file) {
      files.set(file.id, file);
      used += file.bytes;
    },
    find: (id) => files.get(id),
    remove(id) {
      used -= files.get(id)?.bytes ?? 0;
      return files.delete(id);
    },
    list: () => [...files.values()].toReversed(),
    batches,
    clear() {
      files.clear();
      batches.clear();
      used = 0;
    },
  };
}
