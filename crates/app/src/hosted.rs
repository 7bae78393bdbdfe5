//! The providers that are known by their host names.

use dialect::LimitField;

/// A provider's hosts, by the end of their names, and what it is called: in labels, and in words.
/// Each of them refuses requests that hold a member it does not know.
const PROVIDERS: [(&str, &str, &str); 6] = [
    ("openai.com", "openai", "OpenAI"),
    ("openai.azure.com", "azure", "Azure OpenAI"),
    ("anthropic.com", "anthropic", "Anthropic"),
    ("mistral.ai", "mistral", "Mistral"),
    ("groq.com", "groq", "Groq"),
    ("googleapis.com", "google", "Google"),
];

/// What the provider at `host` is called in labels, if it is one that is known.
pub(crate) fn provider_of(host: &str) -> Option<&'static str> {
    known(host).map(|(label, _)| label)
}

/// What whoever serves at `host` is called in labels: a provider that is known, or the host itself.
pub(crate) fn label(host: &str) -> String {
    provider_of(host).map_or_else(|| host.to_owned(), str::to_owned)
}

/// The provider at `host`, in words, if it is one that refuses unknown members.
pub(crate) fn strict_provider(host: &str) -> Option<&'static str> {
    known(host).map(|(_, name)| name)
}

fn known(host: &str) -> Option<(&'static str, &'static str)> {
    let host = host.to_ascii_lowercase();
    let is_of = |domain: &str| {
        host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    PROVIDERS.iter().find(|(domain, ..)| is_of(domain)).map(|&(_, label, name)| (label, name))
}

/// The field for the longest answer in chat form: OpenAI's own models demand the new one, and other
/// servers may know the old one only.
pub(crate) fn limit_field(host: &str) -> LimitField {
    match provider_of(host) {
        Some("openai" | "azure") => LimitField::MaxCompletionTokens,
        Some(_) | None => LimitField::MaxTokens,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn providers_are_known_by_their_hosts() {
        for (host, provider, limit) in [
            ("api.openai.com", Some("openai"), LimitField::MaxCompletionTokens),
            ("me.openai.azure.com", Some("azure"), LimitField::MaxCompletionTokens),
            ("API.ANTHROPIC.COM", Some("anthropic"), LimitField::MaxTokens),
            ("notopenai.com", None, LimitField::MaxTokens),
            ("openai.com.example", None, LimitField::MaxTokens),
            ("127.0.0.1", None, LimitField::MaxTokens),
        ] {
            assert_eq!((provider_of(host), limit_field(host)), (provider, limit), "{host}");
        }
    }
}
