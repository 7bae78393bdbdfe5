/**
 * Where in the dashboard the reader is: a path and its filters, kept behind the `#` of the address.
 *
 * Behind the `#`, because then every view has an address that can be sent and bookmarked without
 * the server, or a proxy before it, knowing the dashboard's pages.
 */
export interface Location {
  /** `/benchmarks/b1` as `['benchmarks', 'b1']`. */
  path: string[];
  /** Filters by name. */
  query: Record<string, string>;
}

export function parseLocation(hash: string): Location {
  const [path = '', search = ''] = hash.replace(/^#?\/?/, '').split('?', 2);
  return {
    path: path.split('/').filter(Boolean).map(decode),
    query: Object.fromEntries(new URLSearchParams(search)),
  };
}

/** A link to `path` with filters, those without a value left out. */
export function link(
  path: string[],
  query: Record<string, string | null | undefined> = {},
): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value) search.set(name, value);
  }
  const text = search.toString();
  return `#/${path.map(encodeURIComponent).join('/')}${text && `?${text}`}`;
}

/** Someone may have typed a `%` of their own. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
