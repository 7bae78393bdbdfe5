//! Asks a server for its metrics over HTTP.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use domain::{Clock, Secret};
use http_body_util::Empty;
use hyper::header::{ACCEPT, AUTHORIZATION, HeaderValue, InvalidHeaderValue};
use hyper::{Request, StatusCode};

use super::{Malformed, Scrape, read};
use crate::http::{AddressError, ExchangeError, Server};

/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why metrics cannot be read from there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// It is no address.
    #[error("{0:?} is no URL")]
    Invalid(String),
    /// It is not plain HTTP.
    #[error("metrics are read over http alone, and {0:?} says otherwise")]
    Scheme(String),
    /// The key cannot be sent: it has line breaks or the like in it.
    #[error("the key has characters that no HTTP header may have")]
    Key,
}

/// Why a server's metrics could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ScrapeError {
    /// It cannot be reached.
    #[error("cannot connect: {0}")]
    Connect(#[source] io::Error),
    /// It took longer than five seconds.
    #[error("no answer within {} s", PATIENCE.as_secs())]
    Timeout,
    /// It broke off, or does not speak HTTP.
    #[error("no whole answer: {0}")]
    Http(#[source] hyper::Error),
    /// It refused.
    #[error("answered {0}")]
    Status(StatusCode),
    /// The answer broke off, or is longer than 16 MiB, or no text.
    #[error("unusable answer: {0}")]
    Body(String),
    /// The answer is no metrics.
    #[error("{0}")]
    Malformed(#[from] Malformed),
}

impl From<ExchangeError> for ScrapeError {
    fn from(error: ExchangeError) -> Self {
        match error {
            ExchangeError::Connect(error) => Self::Connect(error),
            ExchangeError::Http(error) => Self::Http(error),
        }
    }
}

/// Reads the metrics of one server.
#[derive(Debug)]
pub struct Scraper {
    clock: Arc<dyn Clock>,
    server: Server,
    authorization: Option<HeaderValue>,
}

impl Scraper {
    /// Will read from `url`, such as `http://127.0.0.1:8000/metrics`, and show the key as a bearer
    /// token if there is one.
    ///
    /// # Errors
    /// Where `url` is no address of plain HTTP, or the key cannot be sent.
    pub fn new(
        url: &str,
        key: Option<&Secret>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, TargetError> {
        let server = Server::parse(url).map_err(|error| match error {
            AddressError::Invalid => TargetError::Invalid(url.to_owned()),
            AddressError::Scheme => TargetError::Scheme(url.to_owned()),
        })?;
        let authorization = key.map(|key| {
            let mut value = HeaderValue::from_str(&format!("Bearer {}", key.reveal()))?;
            value.set_sensitive(true);
            Ok(value)
        });
        let authorization =
            authorization.transpose().map_err(|_: InvalidHeaderValue| TargetError::Key)?;
        Ok(Self { clock, server, authorization })
    }

    /// Asks once.
    ///
    /// # Errors
    /// Where the server does not answer with metrics in time.
    pub async fn scrape(&self) -> Result<Scrape, ScrapeError> {
        let asked = self.clock.now();
        let body = tokio::time::timeout(PATIENCE, self.fetch())
            .await
            .map_err(|_| ScrapeError::Timeout)??;
        let at = asked + self.clock.now().since(asked) / 2;
        let text = std::str::from_utf8(&body).map_err(|_| ScrapeError::Body("no text".into()))?;
        Ok(Scrape { at, readings: read(text)? })
    }

    async fn fetch(&self) -> Result<Bytes, ScrapeError> {
        let answer = self.server.exchange(self.request()).await?;
        if answer.status() != StatusCode::OK {
            return Err(ScrapeError::Status(answer.status()));
        }
        answer.into_body().map_err(ScrapeError::Body)
    }

    fn request(&self) -> Request<Empty<Bytes>> {
        let mut request = Request::new(Empty::new());
        let headers = request.headers_mut();
        headers.insert(ACCEPT, HeaderValue::from_static("text/plain; version=0.0.4"));
        headers.extend(self.authorization.clone().map(|key| (AUTHORIZATION, key)));
        request
    }
}
