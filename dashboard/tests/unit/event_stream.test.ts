import { describe, expect, test } from 'vitest';
import { EventStreamParser } from '../../src/api/event_stream';

const TEXT =
  ': keep-alive\n\nevent: snapshot\ndata: {"windows":[]}\n\nevent: window\r\ndata: a\r\ndata: b\r\n\r\ndata:bare\n\n';
const EVENTS = [
  { event: 'snapshot', data: '{"windows":[]}' },
  { event: 'window', data: 'a\nb' },
  { event: 'message', data: 'bare' },
];

describe('EventStreamParser', () => {
  test('finds the same events wherever the bytes are split', () => {
    for (let cut = 0; cut <= TEXT.length; cut += 1) {
      const parser = new EventStreamParser();
      const events = [...parser.push(TEXT.slice(0, cut)), ...parser.push(TEXT.slice(cut))];
      expect(events, `cut at ${cut}`).toEqual(EVENTS);
    }
  });

  test('gives nothing for an event that has not ended', () => {
    expect(new EventStreamParser().push('event: window\ndata: 1\n')).toEqual([]);
  });

  test('does not carry the name of an event without data to the next', () => {
    expect(new EventStreamParser().push('event: lost\n\ndata: 1\n\n')).toEqual([
      { event: 'message', data: '1' },
    ]);
  });
});
