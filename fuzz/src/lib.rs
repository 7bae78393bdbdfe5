//! What must hold for any bytes, one function a target. The fuzzer calls these with inputs of its
//! own making; an ordinary test of `dialect` includes this file and calls them with the corpus.
//!
//! Run a target with `cargo +nightly fuzz run sse_reader` from the repository's root.

use dialect::scan::{Scan, Scanner, parse, scan};
use dialect::sse::{Event, Reader};
use dialect::{
    AnswerDecoder, AnswerText, IgnoreEos, IncomingRequest, Piece, RequestOptions, WireFormat,
};
use domain::{ChunkKind, Request, RequestId};

const FORMATS: [WireFormat; 3] =
    [WireFormat::OpenAiChat, WireFormat::OpenAiCompletions, WireFormat::AnthropicMessages];

/// Parts an input into the place of a cut, from its first byte, and the bytes to cut.
fn cut(input: &[u8]) -> (&[u8], usize) {
    match input.split_first() {
        Some((&place, bytes)) => (bytes, usize::from(place) * bytes.len() / 256),
        None => (input, 0),
    }
}

/// Events do not depend on how the bytes arrive, and a reader between events holds no memory.
pub fn sse_reader(input: &[u8]) {
    let (bytes, place) = cut(input);
    let read = |pieces: &mut dyn Iterator<Item = &[u8]>| {
        let mut events = Vec::new();
        let mut on = |event: Event<'_>| events.push((event.name.to_vec(), event.data.to_vec()));
        let mut reader = Reader::new(1 << 12);
        let mut result = Ok(());
        for piece in pieces {
            result = result.and_then(|()| reader.feed(piece, &mut on));
        }
        if result.is_ok() {
            result = reader.feed(b"\n\n", &mut on);
        }
        if result.is_ok() {
            assert_eq!(reader.held_bytes(), 0);
            reader.finish(&mut on);
        }
        (events, result)
    };
    let whole = read(&mut std::iter::once(bytes));
    let (before, after) = bytes.split_at(place);
    assert_eq!(read(&mut [before, after].into_iter()), whole);
    assert_eq!(read(&mut bytes.chunks(1)), whole);
}

/// Answers do not depend on how the bytes arrive, and the scanner says what the parser says.
pub fn answer_decoder(input: &[u8]) {
    let (bytes, place) = cut(input);
    for format in FORMATS {
        let mut scanner = Scanner::new(format);
        let decode = |pieces: &[&[u8]], on: &mut dyn FnMut(Piece<'_>)| {
            let mut decoder = AnswerDecoder::new(format);
            for piece in pieces {
                decoder.feed(piece, on)?;
            }
            decoder.finish(on)
        };
        let mut kinds = Vec::new();
        let whole = decode(&[bytes], &mut |piece| {
            kinds.push(piece.kind);
            let mut text = AnswerText::default();
            let is_read = dialect::decode_text(format, piece.data, &mut text).is_ok();
            // A redacted thought is a token without a text.
            let has_text = matches!(piece.kind, ChunkKind::Content | ChunkKind::ToolCall);
            assert!(!(is_read && has_text && text.is_empty()));
            let parsed = parse(format, piece.data);
            for scanned in [scan(format, piece.data), scanner.scan(piece.data)] {
                assert!(scanned == Scan::Unsure || scanned == parsed);
            }
        });
        let (before, after) = bytes.split_at(place);
        let mut kinds_again = Vec::new();
        let again = decode(&[before, after], &mut |piece| kinds_again.push(piece.kind));
        assert_eq!((again, kinds_again), (whole, kinds));
        // The same bytes as a body in one piece only must not panic.
        drop(dialect::decode_whole(format, bytes));
    }
}

/// A request that is read has what every format demands, and can be passed on in chat form, tools,
/// calls and results too; one that is not says why.
pub fn request_parse(input: &[u8]) {
    for format in FORMATS {
        match dialect::parse_request(format, input) {
            Ok(request) => {
                assert_ne!(request.max_tokens, Some(0));
                assert!(request.sampling.top_p.is_none_or(|top_p| (0.0..=1.0).contains(&top_p)));
                let chat = passed_on(&request);
                let (text, again) = (request.prompt.text(), chat.prompt.text());
                assert_eq!((text, &request.tools), (again, &chat.tools));
            }
            Err(error) => assert!(!error.message.is_empty()),
        }
    }
}

/// What a server in chat form reads of `request` when it is passed on to it.
fn passed_on(request: &IncomingRequest) -> IncomingRequest {
    let asked = request.clone();
    let asked = Request {
        id: RequestId { run: 0, index: 0 },
        model: asked.model.into(),
        prompt: asked.prompt,
        max_tokens: asked.max_tokens,
        ignore_eos: asked.ignore_eos,
        stream: asked.stream,
        sampling: asked.sampling,
        stop: asked.stop.into(),
        tools: asked.tools.map(Into::into),
    };
    let options = RequestOptions { ignore_eos: IgnoreEos::Field, ..RequestOptions::default() };
    let chat = WireFormat::OpenAiChat;
    let body = dialect::encode_request(chat, &asked, &options).expect("chat can say it");
    dialect::parse_request(chat, &body).expect("chat is read back")
}
