//! A server that answers as it is told, for what the simulated one does not do.

use domain::WireFormat;
use testkit::answer::events;
use testkit::{FakeServer, FakeServerBuilder, Reply};

/// A streamed chat answer.
pub(crate) fn hello() -> Reply {
    Reply::sse(events(WireFormat::OpenAiChat))
}

/// A server that lists one model, `m`, and answers chats with `reply`.
pub(crate) fn chat(reply: Reply) -> FakeServerBuilder {
    let models = r#"{"object":"list","data":[{"id":"m","object":"model"}]}"#;
    FakeServer::builder().on("GET", "/v1/models", Reply::json(200, &[], models)).on(
        "POST",
        "/v1/chat/completions",
        reply,
    )
}
