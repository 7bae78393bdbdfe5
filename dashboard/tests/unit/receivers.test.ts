import { expect, test } from 'vitest';
import type { AlertDelivery } from '../../src/api/types';
import { receiversOf, triesOf, waitingOf } from '../../src/lib/receivers';

const told: AlertDelivery = {
  receiver: 'channel',
  labels: { alertname: 'HighLatency' },
  known: 2,
  told_at: '2026-11-25T02:35:57.040Z',
  failures: 0,
  failed_at: null,
  retry_at: null,
  error: null,
};
const failing: AlertDelivery = {
  receiver: 'on-call',
  labels: { alertname: 'HighLatency' },
  known: 0,
  told_at: null,
  failures: 3,
  failed_at: '2026-11-25T02:41:27.054Z',
  retry_at: '2026-11-25T02:44:25.188Z',
  error: 'cannot connect',
};
const NOW = new Date('2026-11-25T02:42:00.000Z').getTime();
const plain = (text: string) => text.replaceAll('\u202f', ' ');

test('a receiver that cannot be reached comes first, with what failed last', () => {
  const later: AlertDelivery = {
    ...failing,
    labels: { alertname: 'Errors' },
    failures: 1,
    failed_at: '2026-11-25T02:41:50.000Z',
    retry_at: '2026-11-25T02:43:00.000Z',
    error: 'it answered 503',
  };
  const receivers = receiversOf([told, failing, later]);
  expect(receivers.map(({ name }) => name)).toEqual(['on-call', 'channel']);
  expect(receivers[0]).toEqual({
    name: 'on-call',
    waiting: 2,
    known: 0,
    toldAt: null,
    trouble: {
      error: 'it answered 503',
      failures: 4,
      failedAt: '2026-11-25T02:41:50.000Z',
      retryAt: '2026-11-25T02:43:00.000Z',
    },
  });
});

test('a receiver that has been told has no trouble, and what it knows is counted', () => {
  const earlier = { ...told, known: 1, told_at: '2026-11-25T02:30:00.000Z' };
  expect(receiversOf([told, earlier])).toEqual([
    { name: 'channel', waiting: 0, known: 3, toldAt: told.told_at, trouble: null },
  ]);
  expect(receiversOf([])).toEqual([]);
});

test('what failed is told in sentences', () => {
  const [receiver] = receiversOf([failing]);
  if (!receiver?.trouble) throw new Error('it has trouble');
  expect(waitingOf(receiver)).toBe('on-call cannot be told: 1 message waits');
  expect(plain(triesOf(receiver.trouble, NOW))).toMatch(
    /^3 tries failed, the last at \d\d:41:27, 32 s ago; it is tried again at \d\d:44:25\.$/,
  );
  const due = new Date(failing.retry_at ?? '').getTime();
  expect(triesOf({ ...receiver.trouble, failures: 1 }, due)).toMatch(
    /^One try failed, .*; it is tried again now\.$/,
  );
});
