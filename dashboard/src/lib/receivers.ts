import type { AlertDelivery } from '../api/types';
import { ago, clock, plural } from './format';

/** A receiver of alerts: whether it has been told, and what keeps it from being told. */
export interface Receiver {
  name: string;
  /** How many messages wait, each of alerts that go together. */
  waiting: number;
  /** How many firing alerts it knows of. */
  known: number;
  /** When it was last reached. */
  toldAt: string | null;
  trouble: Trouble | null;
}

interface Trouble {
  error: string;
  failures: number;
  failedAt: string;
  retryAt: string | null;
}

/** The receivers by name, those that cannot be reached first. */
export function receiversOf(deliveries: AlertDelivery[]): Receiver[] {
  const names = [...new Set(deliveries.map(({ receiver }) => receiver))].sort();
  const receivers = names.map((name) =>
    receiverOf(
      name,
      deliveries.filter(({ receiver }) => receiver === name),
    ),
  );
  return receivers.sort((a, b) => Number(b.trouble !== null) - Number(a.trouble !== null));
}

function receiverOf(name: string, own: AlertDelivery[]): Receiver {
  const failing = own.filter(({ failures }) => failures > 0);
  const known = own.reduce((sum, delivery) => sum + delivery.known, 0);
  const toldAt = moments(own.map(({ told_at }) => told_at)).at(-1) ?? null;
  return { name, waiting: failing.length, known, toldAt, trouble: troubleOf(failing) };
}

/** Of what failed last; it is tried again as soon as the first of what waits is. */
function troubleOf(failing: AlertDelivery[]): Trouble | null {
  const failedAt = moments(failing.map(({ failed_at }) => failed_at)).at(-1);
  if (failedAt === undefined) return null;
  const last = failing.find(({ failed_at }) => failed_at === failedAt);
  return {
    error: last?.error ?? 'the message was not taken',
    failures: failing.reduce((sum, { failures }) => sum + failures, 0),
    failedAt,
    retryAt: moments(failing.map(({ retry_at }) => retry_at))[0] ?? null,
  };
}

/** Those there are, the earliest first: all are written alike, in UTC. */
function moments(written: (string | null)[]): string[] {
  return written.filter((moment) => moment !== null).sort();
}

/** When it was tried and will be, in a sentence. */
export function triesOf({ failures, failedAt, retryAt }: Trouble, now: number): string {
  const tries = failures === 1 ? 'One try failed' : `${failures} tries failed`;
  const last = `${tries}, the last at ${clock(failedAt)}, ${ago(failedAt, now)}`;
  if (retryAt === null) return `${last}.`;
  const isDue = new Date(retryAt).getTime() <= now;
  return `${last}; ${isDue ? 'it is tried again now' : `it is tried again at ${clock(retryAt)}`}.`;
}

/** What waits to be told, as the title of a notice. */
export function waitingOf({ name, waiting }: Receiver): string {
  return `${name} cannot be told: ${plural(waiting, 'message')} ${waiting === 1 ? 'waits' : 'wait'}`;
}
