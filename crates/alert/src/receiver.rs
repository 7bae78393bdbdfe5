//! A receiver as people write it, and the check that makes a [`Receiver`] of it.

use domain::Secret;
use serde::Deserialize;

use crate::group::{Grouping, Route};
use crate::label::{Label, named};
use crate::matcher::Matcher;
use crate::notify::Channel;
use crate::notify::email::{Address, Encryption, Mailbox};
use crate::notify::endpoint::Endpoint;
use crate::settings::{OneOrMore, SettingError};
use crate::span;

/// A value that may be secret: as it stands, or where it is to be found.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum SecretSetting {
    /// As it stands. Passwords may not be written so.
    Plain(String),
    /// Somewhere else.
    Elsewhere(SecretPlace),
}

/// Where a secret is to be found.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretPlace {
    /// In this variable of the environment.
    Env(String),
    /// In this file, blanks and line ends around it left out.
    File(String),
}

/// Finds secrets: only `app` reads files and the environment. Its error is a sentence that says what
/// is missing.
pub type FindSecret<'a> = &'a dyn Fn(&SecretPlace) -> Result<Secret, String>;

/// A receiver as written.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReceiverSettings {
    /// Letters, digits, underscores and hyphens.
    pub name: String,
    /// `webhook`, `slack`, `alertmanager` or `email`.
    pub kind: String,
    /// Where a webhook or an Alertmanager is.
    pub url: Option<SecretSetting>,
    /// The `authorization` header of a webhook or an Alertmanager.
    pub authorization: Option<SecretSetting>,
    /// An SMTP server, `smtp.example.com` or `smtp.example.com:587`.
    pub server: Option<String>,
    /// `tls`, `starttls` or `none`; `starttls` where nothing is said.
    pub encryption: Option<String>,
    /// The user name on the SMTP server.
    pub username: Option<String>,
    /// The password on the SMTP server.
    pub password: Option<SecretSetting>,
    /// The sender's address.
    pub from: Option<String>,
    /// The recipients' addresses.
    pub to: Option<OneOrMore>,
    /// Only alerts that match all of these, as in `severity="critical"`.
    #[serde(default)]
    pub matchers: Vec<String>,
    /// The labels whose alerts go into one message.
    pub group_by: Option<Vec<String>>,
    /// How long a group's first message waits for others.
    pub group_wait: Option<String>,
    /// How long after a message a change is told.
    pub group_interval: Option<String>,
    /// How long after a message it is told again.
    pub repeat_interval: Option<String>,
}

/// A receiver whose parts are known to fit.
#[derive(Clone, Debug)]
pub struct Receiver {
    /// What it is told.
    pub route: Route,
    /// How it is told.
    pub channel: Channel,
}

/// A setting's name and what is wrong with it.
type Wrong = (&'static str, String);

/// What kinds of receiver there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Webhook,
    Slack,
    Alertmanager,
    Email,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Webhook, Self::Slack, Self::Alertmanager, Self::Email];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Slack => "slack",
            Self::Alertmanager => "alertmanager",
            Self::Email => "email",
        }
    }
}

impl ReceiverSettings {
    /// Checks every part, and that they fit.
    ///
    /// # Errors
    /// The first setting that cannot be used. No secret is in it.
    pub fn check(&self, find: FindSecret<'_>) -> Result<Receiver, SettingError> {
        self.receiver(find).map_err(|(key, reason)| SettingError {
            of: format!("alert receiver `{}`", self.name),
            key,
            reason,
        })
    }

    fn receiver(&self, find: FindSecret<'_>) -> Result<Receiver, Wrong> {
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if self.name.is_empty() || !self.name.chars().all(is_word) {
            let reason = "a name is letters, digits, underscores and hyphens";
            return Err(("name", reason.into()));
        }
        let kind = named(&self.kind, "kind of receiver", &Kind::ALL, Kind::as_str)
            .map_err(|reason| ("kind", reason))?;
        self.refuse_others(kind)?;
        let channel = match kind {
            Kind::Webhook => Channel::Webhook {
                endpoint: self.endpoint(find)?,
                authorization: self.authorization(find)?,
            },
            Kind::Slack => Channel::Slack { endpoint: self.endpoint(find)? },
            Kind::Alertmanager => Channel::Alertmanager {
                endpoint: self
                    .endpoint(find)?
                    .join("/api/v2/alerts")
                    .map_err(|reason| ("url", reason))?,
                authorization: self.authorization(find)?,
            },
            Kind::Email => Channel::Email(self.mailbox(find)?),
        };
        let matchers = self.matchers.iter().map(|text| Matcher::parse(text));
        let matchers = matchers.collect::<Result<_, _>>().map_err(|reason| ("matchers", reason))?;
        let route = Route { receiver: self.name.clone(), matchers, grouping: self.grouping(kind)? };
        Ok(Receiver { route, channel })
    }

    /// A setting that would do nothing is an error.
    fn refuse_others(&self, kind: Kind) -> Result<(), Wrong> {
        let is_email = kind == Kind::Email;
        let has_authorization = matches!(kind, Kind::Webhook | Kind::Alertmanager);
        for (key, is_set, is_used) in [
            ("url", self.url.is_some(), !is_email),
            ("authorization", self.authorization.is_some(), has_authorization),
            ("server", self.server.is_some(), is_email),
            ("encryption", self.encryption.is_some(), is_email),
            ("username", self.username.is_some(), is_email),
            ("password", self.password.is_some(), is_email),
            ("from", self.from.is_some(), is_email),
            ("to", self.to.is_some(), is_email),
        ] {
            if is_set && !is_used {
                return Err((key, format!("a receiver of kind {} has none", kind.as_str())));
            }
        }
        Ok(())
    }

    fn grouping(&self, kind: Kind) -> Result<Grouping, Wrong> {
        let usual =
            if kind == Kind::Alertmanager { Grouping::relay() } else { Grouping::default() };
        let span = |key, setting: &Option<String>, usual| match setting {
            Some(text) => span::parse(text).map_err(|reason| (key, reason)),
            None => Ok(usual),
        };
        let by = match &self.group_by {
            Some(names) => names
                .iter()
                .map(|name| Label::parse(name).map_err(|reason| ("group_by", reason)))
                .collect::<Result<_, _>>()?,
            None => usual.by,
        };
        let grouping = Grouping {
            by,
            wait: span("group_wait", &self.group_wait, usual.wait)?,
            interval: span("group_interval", &self.group_interval, usual.interval)?,
            repeat: span("repeat_interval", &self.repeat_interval, usual.repeat)?,
        };
        if grouping.repeat.is_zero() {
            return Err(("repeat_interval", "it must be longer than nothing".into()));
        }
        Ok(grouping)
    }

    fn endpoint(&self, find: FindSecret<'_>) -> Result<Endpoint, Wrong> {
        let setting = self.url.as_ref().ok_or_else(|| self.missing("url"))?;
        let wrong = |reason| ("url", reason);
        let url = match setting {
            SecretSetting::Plain(url) => Secret::new(url),
            SecretSetting::Elsewhere(place) => find(place).map_err(wrong)?,
        };
        Endpoint::parse(&url).map_err(wrong)
    }

    fn authorization(&self, find: FindSecret<'_>) -> Result<Option<Secret>, Wrong> {
        let Some(setting) = &self.authorization else { return Ok(None) };
        let secret = elsewhere("authorization", setting, find)?;
        if http::HeaderValue::from_str(secret.reveal()).is_err() {
            return Err(("authorization", "it holds a character that headers may not".into()));
        }
        Ok(Some(secret))
    }

    fn mailbox(&self, find: FindSecret<'_>) -> Result<Mailbox, Wrong> {
        let encryption = match &self.encryption {
            None => Encryption::StartTls,
            Some(word) => named(word, "encryption", &Encryption::ALL, Encryption::as_str)
                .map_err(|reason| ("encryption", reason))?,
        };
        let server = self.server.as_ref().ok_or_else(|| self.missing("server"))?;
        let (host, port) =
            host_and_port(server, encryption).map_err(|reason| ("server", reason))?;
        let login = match (&self.username, &self.password) {
            (None, None) => None,
            (Some(user), Some(password)) => {
                Some((user.clone(), elsewhere("password", password, find)?))
            }
            (Some(_), None) => return Err(("password", "`username` is set, so set this".into())),
            (None, Some(_)) => return Err(("username", "`password` is set, so set this".into())),
        };
        if login.is_some() && encryption == Encryption::None {
            let reason = "the password would cross the network in the open; use tls or starttls";
            return Err(("encryption", reason.into()));
        }
        let from = self.from.as_ref().ok_or_else(|| self.missing("from"))?;
        let from = Address::parse(from).map_err(|reason| ("from", reason))?;
        let to = match self.to.as_ref().ok_or_else(|| self.missing("to"))? {
            OneOrMore::One(address) => std::slice::from_ref(address),
            OneOrMore::More(addresses) => addresses,
        };
        let to = to.iter().map(|address| Address::parse(address));
        let to: Vec<Address> = to.collect::<Result<_, _>>().map_err(|reason| ("to", reason))?;
        if to.is_empty() {
            return Err(self.missing("to"));
        }
        Ok(Mailbox { host, port, encryption, login, from, to })
    }

    fn missing(&self, key: &'static str) -> Wrong {
        (key, format!("a receiver of kind {} needs one", self.kind))
    }
}

/// A secret that must not stand in the configuration.
fn elsewhere(
    key: &'static str,
    setting: &SecretSetting,
    find: FindSecret<'_>,
) -> Result<Secret, Wrong> {
    match setting {
        SecretSetting::Elsewhere(place) => find(place).map_err(|reason| (key, reason)),
        SecretSetting::Plain(_) => Err((
            key,
            "a secret has no place in a configuration file; write { env = \"NAME\" } or \
             { file = \"PATH\" }"
                .into(),
        )),
    }
}

fn host_and_port(server: &str, encryption: Encryption) -> Result<(String, u16), String> {
    let wrong = || format!("`{server}` is no server; write it as in smtp.example.com:587");
    let authority: http::uri::Authority = server.parse().map_err(|_| wrong())?;
    let host = authority.host().trim_matches(['[', ']']);
    let has_port = authority.as_str().len() > authority.host().len();
    if host.is_empty() || server.contains('@') || has_port != authority.port_u16().is_some() {
        return Err(wrong());
    }
    Ok((host.to_owned(), authority.port_u16().unwrap_or(encryption.usual_port())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(place: &SecretPlace) -> Result<Secret, String> {
        match place {
            SecretPlace::Env(name) if name == "KEY" => Ok(Secret::new("Bearer hunter2-hunter2")),
            SecretPlace::Env(name) if name == "HOOK" => Ok(Secret::new("https://a.example/T0/x")),
            SecretPlace::Env(name) => Err(format!("the environment has no `{name}`; set it")),
            SecretPlace::File(path) => Err(format!("`{path}` cannot be read")),
        }
    }

    fn check(text: &str) -> Result<Receiver, String> {
        let settings: ReceiverSettings = toml::from_str(text).expect("its form");
        settings.check(&find).map_err(|error| error.to_string())
    }

    #[test]
    fn receivers_of_every_kind_are_read() {
        for (text, shown) in [
            (
                "name = 'a'\nkind = 'webhook'\nurl = 'http://127.0.0.1:1/x'\n\
                 authorization = { env = 'KEY' }",
                "Webhook { endpoint: Endpoint(http://127.0.0.1:1), authorization: \
                 Some([redacted]) }",
            ),
            (
                "name = 'a'\nkind = 'slack'\nurl = { env = 'HOOK' }",
                "Slack { endpoint: Endpoint(https://a.example) }",
            ),
            (
                "name = 'a'\nkind = 'alertmanager'\nurl = 'http://am.example:9093'",
                "Alertmanager { endpoint: Endpoint(http://am.example:9093), authorization: None }",
            ),
        ] {
            assert_eq!(format!("{:?}", check(text).expect(text).channel), shown);
        }
        let mail = check(
            "name = 'a'\nkind = 'email'\nserver = 'smtp.example.com'\nfrom = 'P <p@example.com>'\n\
             to = ['a@example.com', 'b@example.com']\nusername = 'p'\npassword = { env = 'KEY' }\n\
             matchers = ['severity=critical']\ngroup_by = ['model']\nrepeat_interval = '1h'\n",
        )
        .expect("it is sound");
        let Channel::Email(mailbox) = &mail.channel else { panic!("{mail:?}") };
        assert_eq!((mailbox.port, mailbox.encryption), (587, Encryption::StartTls));
        assert_eq!(mailbox.to.len(), 2);
        assert!(!format!("{mail:?}").contains("hunter2"));
        assert_eq!(mail.route.grouping.repeat.as_secs(), 3_600);
        assert_eq!(mail.route.grouping.wait, Grouping::default().wait);
    }

    #[test]
    fn what_does_not_fit_is_refused_with_its_key() {
        let webhook = "name = 'a'\nkind = 'webhook'\n";
        let email = "name = 'a'\nkind = 'email'\nfrom = 'a@b.example'\nto = 'c@d.example'\n";
        for (start, rest, said) in [
            ("name = 'a b'\nkind = 'slack'\n", "", "`name`: a name is"),
            ("name = 'a'\nkind = 'slak'\n", "", "did you mean `slack`?"),
            (webhook, "", "`url`: a receiver of kind webhook needs one"),
            (webhook, "url = 'a.example'", "`url`: it must start with"),
            (webhook, "url = { env = 'NO' }", "`url`: the environment has no `NO`"),
            (webhook, "url = 'http://a'\nto = 'a@b'", "`to`: a receiver of kind webhook has none"),
            (webhook, "url = 'http://a'\nauthorization = 'x'", "write { env = \"NAME\" }"),
            (webhook, "url = 'http://a'\nmatchers = ['modle=a']", "`matchers`: `modle`"),
            (webhook, "url = 'http://a'\ngroup_by = ['modle']", "`group_by`: `modle`"),
            (webhook, "url = 'http://a'\ngroup_wait = '3'", "`group_wait`: `3`"),
            (webhook, "url = 'http://a'\nrepeat_interval = '0s'", "`repeat_interval`: it must"),
            ("name = 'a'\nkind = 'slack'\n", "url = 'http://a'\nauthorization = 'x'", "has none"),
            (email, "", "`server`: a receiver of kind email needs one"),
            (email, "server = 'a:b'", "`server`: `a:b` is no server"),
            (email, "server = 'a'\nencryption = 'ssl'", "`encryption`: `ssl` is no encryption"),
            (email, "server = 'a'\nusername = 'u'", "`password`: `username` is set"),
            (email, "server = 'a'\npassword = 'p'", "`username`: `password` is set"),
            (
                email,
                "server = 'a'\nencryption = 'none'\nusername = 'u'\npassword = { env = 'KEY' }",
                "in the open",
            ),
            (
                "name = 'a'\nkind = 'email'\nserver = 'a'\nfrom = 'a@b.example'\nto = []\n",
                "",
                "`to`: a receiver of kind email needs one",
            ),
            (
                "name = 'a'\nkind = 'email'\nserver = 'a'\nfrom = 'nobody'\nto = 'a@b.example'\n",
                "",
                "`from`: `nobody` is no e-mail address",
            ),
        ] {
            let text = format!("{start}{rest}");
            let error = check(&text).expect_err(&text);
            assert!(error.contains(said), "{text}: {error}");
        }
    }
}
