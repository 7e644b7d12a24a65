/** The content encodings that an answer can have. */
export type Encoding = 'gzip' | 'deflate' | 'br' | 'zstd';
