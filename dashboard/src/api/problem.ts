/** A request that the server refused, or that never reached it, with what to do about it. */
export class Problem extends Error {
  readonly status: number;
  readonly hint: string;
  /** What is wrong with single members of the body, by JSON pointer. */
  readonly errors: readonly MemberError[];
  /** The kind of problem for programs, such as `not-found`; empty where the server does not say. */
  readonly kind: string;

  constructor(
    status: number,
    message: string,
    hint: string,
    errors: readonly MemberError[] = [],
    kind = '',
  ) {
    super(message);
    this.name = 'Problem';
    this.status = status;
    this.hint = hint;
    this.errors = errors;
    this.kind = kind;
  }

  static unreachable(): Problem {
    return new Problem(
      0,
      'Prony does not answer.',
      'Check that `prony serve` runs and that this machine reaches it; the page asks again by itself.',
    );
  }

  /** Reads a refusal: a problem document (RFC 9457), or whatever else stands in its place. */
  static async from(response: Response): Promise<Problem> {
    const { status } = response;
    const body: unknown = await response.json().catch(() => null);
    const { type, title, detail, hint, errors } = (body ?? {}) as ProblemDocument;
    const message = detail ?? title ?? `The server answered ${status} ${response.statusText}.`;
    const kind = type?.replace(/^urn:prony:problem:/, '') ?? '';
    return new Problem(status, message, hint ?? hintFor(status), errors ?? [], kind);
  }
}

export interface MemberError {
  pointer: string;
  detail: string;
}

interface ProblemDocument {
  type?: string;
  title?: string;
  detail?: string;
  hint?: string;
  errors?: MemberError[];
}

function hintFor(status: number): string {
  if (status === 401) return 'Enter an API key.';
  if (status === 403) return 'Use a key whose role allows this.';
  if (status === 404) return 'It may have been deleted. Go back to the list.';
  if (status === 429) return 'Wait a moment, then try again.';
  return 'Look at the log of `prony serve`.';
}
