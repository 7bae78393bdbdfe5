//! How messages reach receivers: as an HTTP request in one of three forms, or as an e-mail.

pub mod endpoint;

mod http;
mod payload;

pub mod email;

use std::sync::Arc;

use domain::Secret;

use crate::moment::Moment;
use crate::notice::{DeliveryError, Message};
use email::Mailbox;
use endpoint::Endpoint;
use http::Post;

/// Where a receiver's messages go, and in which form.
#[derive(Clone, Debug)]
pub enum Channel {
    /// A webhook, in the form of Alertmanager's webhooks (version 4).
    Webhook {
        /// Where to.
        endpoint: Endpoint,
        /// The `authorization` header.
        authorization: Option<Secret>,
    },
    /// A webhook in the form Slack takes, and others such as Mattermost.
    Slack {
        /// Where to; the URL is the secret.
        endpoint: Endpoint,
    },
    /// An Alertmanager, through its API (version 2).
    Alertmanager {
        /// Where it is; `/api/v2/alerts` follows its path.
        endpoint: Endpoint,
        /// The `authorization` header.
        authorization: Option<Secret>,
    },
    /// An SMTP server.
    Email(Mailbox),
}

/// What all channels share.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// How to trust servers.
    pub tls: Arc<rustls::ClientConfig>,
    /// Certificate authorities to trust beside the public ones, as PEM: the same in another form,
    /// since the e-mail client makes its own of them.
    pub authorities_pem: Option<Vec<u8>>,
    /// Where people find Prony, for a link in each message.
    pub external_url: Option<String>,
}

impl Surroundings {
    /// Trusts the public certificate authorities, and those in `authorities_pem`.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the PEM.
    pub fn new(
        authorities_pem: Option<Vec<u8>>,
        external_url: Option<String>,
    ) -> Result<Self, String> {
        let tls = Arc::new(http::tls_config(authorities_pem.as_deref())?);
        Ok(Self { tls, authorities_pem, external_url })
    }

    fn link(&self) -> &str {
        self.external_url.as_deref().unwrap_or_default()
    }
}

impl Channel {
    /// Tries once to deliver `message`.
    ///
    /// # Errors
    /// [`DeliveryError`] where the receiver did not take it. No secret of the channel is in it.
    pub async fn deliver(
        &self,
        message: &Message,
        surroundings: &Surroundings,
        now: Moment,
    ) -> Result<(), DeliveryError> {
        let link = surroundings.link();
        let (endpoint, authorization, body) = match self {
            Self::Webhook { endpoint, authorization } => {
                (endpoint, authorization.as_ref(), payload::webhook(message, link))
            }
            Self::Slack { endpoint } => (endpoint, None, payload::slack(message, link)),
            Self::Alertmanager { endpoint, authorization } => {
                (endpoint, authorization.as_ref(), payload::alertmanager(message, link, now))
            }
            Self::Email(mailbox) => return mailbox.send(message, surroundings, now).await,
        };
        Post { endpoint, authorization, body }.send(&surroundings.tls).await
    }
}
