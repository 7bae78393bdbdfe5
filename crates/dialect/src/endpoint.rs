//! Where each format's endpoint stands, and the headers that belong to it.

use domain::{Secret, WireFormat};

/// The version of Anthropic's API these formats follow.
pub const ANTHROPIC_VERSION: &str = "2023-06-01";

/// The path under a server's base URL that answers in `format`.
#[must_use]
pub const fn path(format: WireFormat) -> &'static str {
    match format {
        WireFormat::OpenAiChat => "/v1/chat/completions",
        WireFormat::OpenAiCompletions => "/v1/completions",
        WireFormat::AnthropicMessages => "/v1/messages",
    }
}

/// The headers `format` asks for beside `content-type`, the key in the one where it belongs. Values
/// are secrets so that no log can show them.
#[must_use]
pub fn request_headers(format: WireFormat, key: Option<&Secret>) -> Vec<(&'static str, Secret)> {
    match format {
        WireFormat::OpenAiChat | WireFormat::OpenAiCompletions => key
            .map(|key| ("authorization", Secret::new(format!("Bearer {}", key.reveal()))))
            .into_iter()
            .collect(),
        WireFormat::AnthropicMessages => {
            let version = ("anthropic-version", Secret::new(ANTHROPIC_VERSION));
            key.map(|key| ("x-api-key", key.clone())).into_iter().chain([version]).collect()
        }
    }
}

/// The server's own id of a request, found among the answer's headers: OpenAI's `x-request-id`,
/// Anthropic's `request-id`, or those of Azure and Amazon. `header` looks a lower-case name up.
pub fn server_request_id<'h>(header: impl Fn(&str) -> Option<&'h str>) -> Option<&'h str> {
    ["x-request-id", "request-id", "apim-request-id", "x-amzn-requestid"]
        .into_iter()
        .find_map(|name| header(name).filter(|value| !value.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_travels_in_the_header_of_its_format() {
        let key = Secret::new("sk-1");
        let shown = |format, key| -> Vec<String> {
            request_headers(format, key)
                .iter()
                .map(|(name, value)| format!("{name}: {}", value.reveal()))
                .collect()
        };
        assert_eq!(shown(WireFormat::OpenAiChat, Some(&key)), ["authorization: Bearer sk-1"]);
        assert_eq!(shown(WireFormat::OpenAiCompletions, None), [""; 0]);
        assert_eq!(
            shown(WireFormat::AnthropicMessages, Some(&key)),
            ["x-api-key: sk-1", "anthropic-version: 2023-06-01"]
        );
        let debugged = format!("{:?}", request_headers(WireFormat::OpenAiChat, Some(&key)));
        assert!(!debugged.contains("sk-1"), "{debugged}");
    }

    #[test]
    fn a_request_id_is_found_under_each_name() {
        let check = |name: &str| {
            assert_eq!(
                server_request_id(|asked| (asked == name).then_some("req_1")),
                Some("req_1")
            );
        };
        ["x-request-id", "request-id", "apim-request-id", "x-amzn-requestid"]
            .into_iter()
            .for_each(check);
        assert_eq!(server_request_id(|_| Some("")), None);
    }
}
