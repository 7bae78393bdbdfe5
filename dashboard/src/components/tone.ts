/** What a colour says: it is never the only thing that says so. */
export type Tone = 'valid' | 'doubt' | 'bad' | 'active' | 'neutral';
