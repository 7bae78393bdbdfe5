//! Takes out of a message what a server quoted of the secrets it was sent.

use domain::{Failure, Secret};

use crate::target::Target;

/// A header's value, or a word of it, this long or longer is taken for a secret.
const SECRET_BYTES_MIN: usize = 8;
/// This much of a secret's beginning, where a message was cut off inside it, is a leak too.
const PREFIX_BYTES_MIN: usize = 4;

/// The secrets of one target.
#[derive(Clone, Debug)]
pub(crate) struct Redactor {
    /// The longest first, so that none is replaced in part.
    secrets: Vec<Secret>,
}

impl Redactor {
    /// Knows the key and the user's headers, whole and word by word (`Bearer` and what follows).
    pub(crate) fn new(target: &Target) -> Self {
        let header_parts = target.headers.iter().flat_map(|(_, value)| {
            std::iter::once(value.trim())
                .chain(value.split_ascii_whitespace())
                .filter(|part| part.len() >= SECRET_BYTES_MIN)
                .map(Secret::new)
        });
        let mut secrets: Vec<Secret> = target.key.iter().cloned().chain(header_parts).collect();
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.reveal().len()));
        Self { secrets }
    }

    /// `failure` without any secret in its message.
    pub(crate) fn redact(&self, mut failure: Failure) -> Failure {
        for secret in &self.secrets {
            failure.message = secret.redact(&failure.message);
        }
        if let Some(text) = failure.message.strip_suffix('…') {
            let leaked = self.secrets.iter().map(|secret| cut_off_bytes(text, secret.reveal()));
            if let Some(leaked) = leaked.max().filter(|&leaked| leaked > 0) {
                failure.message = format!("{}[redacted]…", &text[..text.len() - leaked]);
            }
        }
        failure
    }
}

/// How much of `secret`'s beginning stands at the end of `text`.
fn cut_off_bytes(text: &str, secret: &str) -> usize {
    (PREFIX_BYTES_MIN..secret.len())
        .rev()
        .find(|&length| secret.get(..length).is_some_and(|prefix| text.ends_with(prefix)))
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use domain::{FailureKind, WireFormat};

    use super::*;
    use crate::target::BaseUrl;

    #[test]
    fn secrets_are_taken_out_of_messages_also_where_these_were_cut_off() {
        let url = BaseUrl::parse("http://127.0.0.1").expect("a URL");
        let mut target = Target::new(url, WireFormat::OpenAiChat);
        target.key = Some(Secret::new("sk-1234567"));
        target.headers = vec![
            ("authorization".into(), "Bearer tok-abcdefgh".into()),
            ("x-team".into(), "a".into()),
        ];
        let redactor = Redactor::new(&target);
        for (message, want) in [
            ("bad key: sk-1234567.", "bad key: [redacted]."),
            ("got Bearer tok-abcdefgh", "got [redacted]"),
            ("token 'tok-abcdefgh' is unknown", "token '[redacted]' is unknown"),
            ("the key you sent is sk-123…", "the key you sent is [redacted]…"),
            ("a plain message…", "a plain message…"),
            ("sk-…", "sk-…"),
        ] {
            let failure = redactor.redact(Failure::new(FailureKind::Unauthorized, message));
            assert_eq!(failure.message, want);
        }
    }
}
