//! Asks a server for its metrics over HTTP.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use domain::{Clock, Secret};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, AUTHORIZATION, CONNECTION, HOST, HeaderValue, InvalidHeaderValue};
use hyper::{Request, Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::{Malformed, Scrape, read};

/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// The longest answer read. vLLM's is some 100 KiB for one model.
const BYTES_MAX: usize = 16 << 20;

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

/// Reads the metrics of one server.
#[derive(Debug)]
pub struct Scraper {
    clock: Arc<dyn Clock>,
    url: Uri,
    host: HeaderValue,
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
        let uri: Uri = url.parse().map_err(|_| TargetError::Invalid(url.to_owned()))?;
        let authority = uri.authority().ok_or_else(|| TargetError::Invalid(url.to_owned()))?;
        if uri.scheme_str() != Some("http") {
            return Err(TargetError::Scheme(url.to_owned()));
        }
        let host = HeaderValue::from_str(authority.as_str())
            .map_err(|_| TargetError::Invalid(url.to_owned()))?;
        let authorization = key.map(|key| {
            let mut value = HeaderValue::from_str(&format!("Bearer {}", key.reveal()))?;
            value.set_sensitive(true);
            Ok(value)
        });
        let authorization =
            authorization.transpose().map_err(|_: InvalidHeaderValue| TargetError::Key)?;
        Ok(Self { clock, url: uri, host, authorization })
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
        let host = self.url.host().unwrap_or_default();
        // An IPv6 address stands in brackets there, and not here.
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let port = self.url.port_u16().unwrap_or(80);
        let stream = TcpStream::connect((host, port)).await.map_err(ScrapeError::Connect)?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(ScrapeError::Http)?;
        let request = self.request();
        let exchange = async move {
            let response = sender.send_request(request).await.map_err(ScrapeError::Http)?;
            whole(response).await
        };
        // The connection does the work of both. It ends with the exchange, which drops the sender.
        let (body, _) = tokio::join!(exchange, connection);
        body
    }

    fn request(&self) -> Request<Empty<Bytes>> {
        let mut request = Request::new(Empty::new());
        *request.uri_mut() =
            self.url.path_and_query().map_or(Uri::default(), |path| Uri::from(path.clone()));
        let headers = request.headers_mut();
        headers.insert(HOST, self.host.clone());
        headers.insert(ACCEPT, HeaderValue::from_static("text/plain; version=0.0.4"));
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        headers.extend(self.authorization.clone().map(|key| (AUTHORIZATION, key)));
        request
    }
}

async fn whole(response: Response<hyper::body::Incoming>) -> Result<Bytes, ScrapeError> {
    if response.status() != StatusCode::OK {
        return Err(ScrapeError::Status(response.status()));
    }
    let body = Limited::new(response.into_body(), BYTES_MAX).collect().await;
    Ok(body.map_err(|error| ScrapeError::Body(error.to_string()))?.to_bytes())
}
