//! The model's own chat template, a Jinja program in its GGUF file.
//!
//! llama.cpp's C interface only recognizes a list of known templates by their looks; running the
//! model's own program is exact for all of them. The program sees what Hugging Face's tokenizers
//! give it: `messages`, `add_generation_prompt`, the begin and end marks, `raise_exception`,
//! `strftime_now`, Python's string methods, and blocks that swallow the line break after them.

use std::fmt::Write as _;

use domain::Message;
use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, Error, ErrorKind, Value, context};

use crate::error::TemplateError;

/// The one template's name in its environment.
const NAME: &str = "chat";

/// A chat template, read and ready.
#[derive(Debug)]
pub struct ChatTemplate {
    environment: Environment<'static>,
    begin_mark: String,
    end_mark: String,
}

impl ChatTemplate {
    /// Reads a template. The marks are the texts of the model's begin- and end-of-text tokens.
    ///
    /// # Errors
    /// Where it is no template, in the reader's words.
    pub fn new(source: String, begin_mark: String, end_mark: String) -> Result<Self, String> {
        let mut environment = Environment::new();
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
        environment.set_syntax(syntax.expect("the usual delimiters do not clash"));
        environment
            .set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.add_function("raise_exception", |message: String| -> Result<Value, Error> {
            Err(Error::new(ErrorKind::InvalidOperation, message))
        });
        environment.add_template_owned(NAME, source).map_err(|error| error.to_string())?;
        Ok(Self { environment, begin_mark, end_mark })
    }

    /// The conversation in the model's form, up to where its answer begins.
    ///
    /// # Errors
    /// Where the template refuses the conversation, or uses what is not known here.
    pub fn render(&self, messages: &[Message], now_unix_s: u64) -> Result<String, TemplateError> {
        let messages: Vec<Value> = messages
            .iter()
            .map(|message| context!(role => message.role().as_str(), content => &**message.content()))
            .collect();
        let strftime_now = move |format: String| strftime(&format, now_unix_s);
        self.environment
            .get_template(NAME)
            .and_then(|template| {
                template.render(context!(
                    messages,
                    add_generation_prompt => true,
                    bos_token => &self.begin_mark,
                    eos_token => &self.end_mark,
                    strftime_now => Value::from_function(strftime_now),
                ))
            })
            .map_err(|error| TemplateError::Refused(error.to_string()))
    }
}

/// C's `strftime` in UTC, as far as templates use it.
fn strftime(format: &str, unix_s: u64) -> Result<String, Error> {
    const MONTHS: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    const DAYS: [&str; 7] =
        ["Thursday", "Friday", "Saturday", "Sunday", "Monday", "Tuesday", "Wednesday"];
    let (days, second) = (unix_s / 86_400, unix_s % 86_400);
    let (year, month, day) = civil(days);
    let month_name = MONTHS[month - 1];
    let day_name = DAYS[(days % 7) as usize];
    let mut out = String::new();
    let mut letters = format.chars();
    while let Some(letter) = letters.next() {
        if letter != '%' {
            out.push(letter);
            continue;
        }
        let written = match letters.next() {
            Some('Y') => write!(out, "{year}"),
            Some('m') => write!(out, "{month:02}"),
            Some('d') => write!(out, "{day:02}"),
            Some('B') => write!(out, "{month_name}"),
            Some('b') => write!(out, "{}", &month_name[..3]),
            Some('A') => write!(out, "{day_name}"),
            Some('a') => write!(out, "{}", &day_name[..3]),
            Some('H') => write!(out, "{:02}", second / 3_600),
            Some('M') => write!(out, "{:02}", second / 60 % 60),
            Some('S') => write!(out, "{:02}", second % 60),
            Some('%') => write!(out, "%"),
            unknown => {
                let message = format!("strftime_now does not know %{}", unknown.unwrap_or(' '));
                return Err(Error::new(ErrorKind::InvalidOperation, message));
            }
        };
        written.expect("writing to a string cannot fail");
    }
    Ok(out)
}

/// The year, month and day of a number of days after 1970-01-01 (Howard Hinnant's
/// `civil_from_days`: years begin in March, so that the leap day comes last).
fn civil(days: u64) -> (u64, usize, u64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, usize::try_from(month).expect("a month is at most 12"), day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(source: &str, messages: &[Message], expect: &str) {
        let rendered = ChatTemplate::new(source.to_owned(), "<s>".to_owned(), "</s>".to_owned())
            .map_err(TemplateError::Syntax)
            .and_then(|template| template.render(messages, 1_709_251_199))
            .unwrap_or_else(|error| error.to_string());
        assert_eq!(rendered, expect, "{source}");
    }

    #[test]
    fn templates_see_what_they_expect() {
        let hello = [Message::System("Be brief.".into()), Message::User(" Hello ".into())];
        // Blocks on lines of their own leave no trace.
        check(
            "{%- for message in messages %}\n    {% if true %}\n[{{ message['role'] }}]\n    {% endif %}\n{%- endfor %}\n",
            &hello,
            "[system]\n[user]\n",
        );
        check(
            "{{ bos_token }}{% for m in messages %}{{ m.role.upper() }}:{{ m.content.strip() }}{{ eos_token }}{% endfor %}{% if add_generation_prompt %}>{% endif %}",
            &hello,
            "<s>SYSTEM:Be brief.</s>USER:Hello</s>>",
        );
        check(
            "{% if messages[0]['role'] == 'system' %}{% set rest = messages[1:] %}{% else %}{% set rest = messages %}{% endif %}{% for m in rest %}{% if not loop.first %}{% continue %}{% endif %}{{ m.content | trim }}{% endfor %}",
            &hello,
            "Hello",
        );
        check(
            "{{ strftime_now('%d %b %Y, %A %H:%M:%S') }}",
            &hello,
            "29 Feb 2024, Thursday 23:59:59",
        );
        check(
            "{{ messages | tojson }}",
            &[Message::User("x".into())],
            r#"[{"role": "user", "content": "x"}]"#,
        );
        check("{% if tools is defined %}tools{% else %}none{% endif %}", &hello, "none");
    }

    #[test]
    fn a_template_that_refuses_says_so() {
        check(
            "{{ raise_exception('roles must alternate') }}",
            &[Message::User("x".into())],
            "the model's chat template refuses the conversation: invalid operation: roles must \
             alternate (in chat:1)",
        );
        check(
            "{% if %}",
            &[Message::User("x".into())],
            "the model's chat template cannot be read: syntax error: unexpected end of block (in \
             chat:1)",
        );
        check(
            "{{ strftime_now('%q') }}",
            &[Message::User("x".into())],
            "the model's chat template refuses the conversation: invalid operation: strftime_now \
             does not know %q (in chat:1)",
        );
    }
}
