//! E-mail, through an SMTP server.

use std::fmt;
use std::str::FromStr as _;
use std::time::{Duration, SystemTime};

use domain::Secret;
use lettre::message::header::{ContentType, MIME_VERSION_1_0};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};

use super::Surroundings;
use crate::book::fingerprint;
use crate::moment::Moment;
use crate::notice::{DeliveryError, Message};

/// Each step of the dialogue with the server may take this long.
const STEP_MAX: Duration = Duration::from_secs(10);
/// The most alerts one e-mail spells out.
const ALERTS_MAX: usize = 200;

/// How the connection to an SMTP server is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encryption {
    /// From its first byte (port 465).
    Tls,
    /// Once the server has agreed (port 587); no mail is sent where it does not.
    StartTls,
    /// Not at all.
    None,
}

impl Encryption {
    /// Every one, the best first.
    pub const ALL: [Self; 3] = [Self::Tls, Self::StartTls, Self::None];

    /// The word used in settings.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tls => "tls",
            Self::StartTls => "starttls",
            Self::None => "none",
        }
    }

    /// The port servers listen on for it.
    #[must_use]
    pub const fn usual_port(self) -> u16 {
        match self {
            Self::Tls => 465,
            Self::StartTls => 587,
            Self::None => 25,
        }
    }
}

/// An e-mail address, alone or as in `Prony <prony@example.com>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address(lettre::message::Mailbox);

impl Address {
    /// Reads an address.
    ///
    /// # Errors
    /// A sentence that says how to write it.
    pub fn parse(text: &str) -> Result<Self, String> {
        lettre::message::Mailbox::from_str(text).map(Self).map_err(|error| {
            format!("`{text}` is no e-mail address ({error}); write it as in ops@example.com")
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Who writes to whom, and through which server.
#[derive(Clone, Debug)]
pub struct Mailbox {
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// How the connection is encrypted.
    pub encryption: Encryption,
    /// User name and password, where the server asks for them.
    pub login: Option<(String, Secret)>,
    /// The sender.
    pub from: Address,
    /// The recipients, never none.
    pub to: Vec<Address>,
}

impl Mailbox {
    /// Tries once to send `message` to all recipients.
    pub(super) async fn send(
        &self,
        message: &Message,
        surroundings: &Surroundings,
        now: Moment,
    ) -> Result<(), DeliveryError> {
        let fail = |what: String| {
            let what = self.login.as_ref().map_or(what.clone(), |(_, secret)| secret.redact(&what));
            DeliveryError::new(format!("{}:{}: {what}", self.host, self.port))
        };
        let mail = self.mail(message, surroundings.link(), now).map_err(fail)?;
        let transport = self.transport(surroundings).map_err(fail)?;
        transport.send(mail).await.map(drop).map_err(|error| DeliveryError {
            may_have_arrived: error.is_timeout(),
            ..fail(causes(&error))
        })
    }

    fn transport(
        &self,
        surroundings: &Surroundings,
    ) -> Result<AsyncSmtpTransport<Tokio1Executor>, String> {
        let parameters = || self.tls(surroundings).map_err(|error| error.to_string());
        let tls = match self.encryption {
            Encryption::Tls => Tls::Wrapper(parameters()?),
            Encryption::StartTls => Tls::Required(parameters()?),
            Encryption::None => Tls::None,
        };
        let builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(self.host.clone())
            .port(self.port)
            .timeout(Some(STEP_MAX))
            .tls(tls);
        let builder = match &self.login {
            Some((user, password)) => {
                builder.credentials(Credentials::new(user.clone(), password.reveal().to_owned()))
            }
            None => builder,
        };
        Ok(builder.build())
    }

    fn tls(
        &self,
        surroundings: &Surroundings,
    ) -> Result<TlsParameters, lettre::transport::smtp::Error> {
        let mut builder = TlsParameters::builder(self.host.clone())
            .certificate_store(CertificateStore::WebpkiRoots);
        if let Some(pem) = &surroundings.authorities_pem {
            builder = builder.add_root_certificate(Certificate::from_pem(pem)?);
        }
        builder.build_rustls()
    }

    fn mail(&self, message: &Message, link: &str, now: Moment) -> Result<lettre::Message, String> {
        let date = SystemTime::UNIX_EPOCH + Duration::from_millis(now.unix_ms());
        let group = fingerprint(&message.group);
        let id = format!("<{}.{group}.{}@prony>", now.unix_ms(), message.receiver);
        let mut builder = lettre::Message::builder()
            .from(self.from.0.clone())
            .subject(message.title())
            .date(date)
            .message_id(Some(id))
            .header(MIME_VERSION_1_0)
            .header(ContentType::TEXT_PLAIN);
        for to in &self.to {
            builder = builder.to(to.0.clone());
        }
        builder.body(text(message, link)).map_err(|error| error.to_string())
    }
}

/// A line an alert, and where to look.
fn text(message: &Message, link: &str) -> String {
    let mut text = String::new();
    for notice in message.notices.iter().take(ALERTS_MAX) {
        let labels: Vec<String> =
            notice.labels.iter().map(|(label, value)| format!("{label}={value}")).collect();
        let state = match notice.resolved_at {
            None => format!("firing since {}", notice.fired_at),
            Some(at) => format!("resolved at {at}, fired at {}", notice.fired_at),
        };
        text.push_str(&format!("{}\n  {state}\n  {}\n\n", notice.summary, labels.join(", ")));
    }
    if let more @ 1.. = message.notices.len().saturating_sub(ALERTS_MAX) {
        text.push_str(&format!("and {more} more\n\n"));
    }
    text.push_str(link);
    text
}

/// An error with what caused it, each said once.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.contains(&said) {
            text.push_str(&format!(": {said}"));
        }
        cause = error.source();
    }
    text
}
