//! The framing of events, in each form the standard allows and servers use.

use dialect::sse::{Event, Reader, TooLong};
use proptest::prelude::*;

/// Reads `pieces` one after the other: each event as `name|data`.
fn read(pieces: &[&[u8]]) -> Vec<String> {
    let mut events = Vec::new();
    let mut on = |event: Event<'_>| {
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        events.push(format!("{}|{}", text(event.name), text(event.data)));
    };
    let mut reader = Reader::default();
    for piece in pieces {
        reader.feed(piece, &mut on).expect("the events are short");
    }
    reader.finish(&mut on);
    events
}

#[test]
fn events_are_framed_as_the_standard_says() {
    let check = |bytes: &str, expected: &[&str]| {
        assert_eq!(read(&[bytes.as_bytes()]), expected, "{bytes:?}");
        let single: Vec<&[u8]> = bytes.as_bytes().chunks(1).collect();
        assert_eq!(read(&single), expected, "{bytes:?} byte by byte");
    };
    // Line ends of each kind, alone and mixed.
    check("data: a\n\ndata: b\n\n", &["|a", "|b"]);
    check("data: a\r\n\r\ndata: b\r\n\r\n", &["|a", "|b"]);
    check("data: a\r\rdata: b\r\r", &["|a", "|b"]);
    check("data: a\r\n\ndata: b\n\r\ndata: c\r\n\rdata: d\n\n", &["|a", "|b", "|c", "|d"]);
    check("\n\n\r\n\rdata: a\n\n\n\n", &["|a"]);
    // The blank after the colon is optional, and only one belongs to the framing.
    check("data:a\n\ndata:  b\n\ndata:\n\ndata\n\n", &["|a", "| b", "|", "|"]);
    // Several lines of data are one.
    check("data: a\ndata:\ndata: b\n\n", &["|a\n\nb"]);
    // Names, and fields of no interest.
    check("event: ping\nid: 7\nretry: 10\ndata: a\n\n", &["ping|a"]);
    check("data: a\nevent: late\n\ndata: b\n\n", &["late|a", "|b"]);
    check("dataset: no\ndata: a\n\n", &["|a"]);
    // Comments, and events without data, are no events.
    check(": OPENROUTER PROCESSING\n\n:\n\ndata: a\n: within\n\n", &["|a"]);
    check("event: ping\n\nid: 1\n\n", &[]);
    // The last event may lack its blank line, or any line end at all.
    check("data: a\n\ndata: b\n", &["|a", "|b"]);
    check("data: a\n\ndata: b", &["|a", "|b"]);
    check("data: a\n\n: bye", &["|a"]);
    check("", &[]);
    // A byte order mark may lead, but nowhere else.
    check("\u{feff}data: a\n\n\u{feff}data: b\n\n", &["|a"]);
    // Nothing but CR and LF ends a line.
    check("data: a\u{2028}b\u{85}c\u{b}d\n\n", &["|a\u{2028}b\u{85}c\u{b}d"]);
}

#[test]
fn a_reader_between_events_holds_no_memory() {
    let mut reader = Reader::default();
    let mut ignore = |_: Event<'_>| {};
    reader.feed(b"data: whole\n\n", &mut ignore).unwrap();
    assert_eq!(reader.held_bytes(), 0);
    reader.feed(b"data: par", &mut ignore).unwrap();
    assert!(reader.held_bytes() >= 9);
    reader.feed(b"ted\n\n", &mut ignore).unwrap();
    assert_eq!(reader.held_bytes(), 0);
}

#[test]
fn an_event_past_the_limit_is_refused_however_it_comes() {
    let stream = [b"data: ok\n\ndata: ".as_slice(), &[b'x'; 100], b"\n\n"].concat();
    for step in [1, 7, 64, stream.len()] {
        let mut reader = Reader::new(64);
        let mut seen = 0;
        let result = stream.chunks(step).try_for_each(|piece| {
            reader.feed(piece, &mut |event| {
                assert_eq!(event.data, b"ok");
                seen += 1;
            })
        });
        assert_eq!((result, seen), (Err(TooLong { limit_bytes: 64 }), 1), "in steps of {step}");
    }
}

proptest! {
    /// Any bytes, cut anywhere, give the same events.
    #[test]
    fn cuts_change_nothing(
        parts in proptest::collection::vec(
            prop_oneof![
                "(data|event|id|)(:|: |)[a-z\u{2028}]{0,3}",
                proptest::sample::select(vec!["\n", "\r", "\r\n", "\n\n", "\u{feff}", "data: x\n\n"])
                    .prop_map(str::to_owned),
            ],
            0..24,
        ),
        cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..6),
    ) {
        let bytes = parts.concat().into_bytes();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|cut| &bytes[cut[0]..cut[1]]).collect();
        prop_assert_eq!(read(&pieces), read(&[&bytes]));
    }
}
