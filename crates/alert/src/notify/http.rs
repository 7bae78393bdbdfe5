//! Sends one HTTP request on a connection of its own. Messages are few, and a connection that was
//! kept for an hour is most likely dead.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use domain::Secret;
use http::header::{AUTHORIZATION, CONNECTION, CONTENT_TYPE, HOST, RETRY_AFTER, USER_AGENT};
use http::{HeaderValue, Request, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::endpoint::Endpoint;
use crate::notice::DeliveryError;

/// This much of an answer is read; what follows tells no more.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// This much of it is told.
const SAID_CHARS_MAX: usize = 200;
/// A word of the authorization this long or longer is taken for a secret.
const SECRET_BYTES_MIN: usize = 8;

/// One request with a JSON body.
pub(crate) struct Post<'a> {
    pub(crate) endpoint: &'a Endpoint,
    pub(crate) authorization: Option<&'a Secret>,
    pub(crate) body: Vec<u8>,
}

impl Post<'_> {
    /// Sends it, and is content with any answer of success.
    ///
    /// # Errors
    /// [`DeliveryError`], without the path and the authorization.
    pub(crate) async fn send(self, tls: &Arc<rustls::ClientConfig>) -> Result<(), DeliveryError> {
        let told = |what: String| format!("{}: {what}", self.endpoint);
        let fail = |what| DeliveryError::new(told(what));
        let request = self.request().map_err(fail)?;
        let stream = open(self.endpoint, tls).await.map_err(fail)?;
        let answered = exchange(stream, request).await;
        let (status, retry_after, said) = answered.map_err(|error| {
            DeliveryError::unanswered(told(format!("the connection broke: {error}")))
        })?;
        if status.is_success() {
            return Ok(());
        }
        let hint = match status.as_u16() {
            300..=399 => "; redirects are not followed, set the URL it leads to",
            401 | 403 => "; check the URL and `authorization`",
            404 | 410 => "; check the URL",
            _ => "",
        };
        let said = self.redact(&said);
        let colon = if said.is_empty() { "" } else { ": " };
        Err(DeliveryError { retry_after, ..fail(format!("HTTP {status}{colon}{said}{hint}")) })
    }

    fn request(&self) -> Result<Request<Full<Bytes>>, String> {
        let mut request = Request::post(self.endpoint.target.reveal())
            .header(HOST, self.endpoint.authority())
            .header(USER_AGENT, concat!("prony/", env!("CARGO_PKG_VERSION")))
            .header(CONTENT_TYPE, "application/json")
            .header(CONNECTION, "close");
        if let Some(authorization) = self.authorization {
            let mut value = HeaderValue::from_str(authorization.reveal())
                .map_err(|_| "`authorization` holds a character that headers may not")?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        let body = Full::new(Bytes::from(self.body.clone()));
        request.body(body).map_err(|_| "the URL cannot be sent as it is".to_owned())
    }

    /// What the server said, in one line, without what it may have quoted of the secrets.
    fn redact(&self, said: &str) -> String {
        let target = &self.endpoint.target;
        // The bare root is no secret, and stands in every path.
        let mut said = if target.reveal() == "/" { said.to_owned() } else { target.redact(said) };
        if let Some(secret) = self.authorization {
            said = secret.redact(&said);
            let words = secret.reveal().split_ascii_whitespace();
            for word in words.filter(|word| word.len() >= SECRET_BYTES_MIN) {
                said = said.replace(word, "[redacted]");
            }
        }
        let words: Vec<&str> = said.split_whitespace().collect();
        words.join(" ").chars().take(SAID_CHARS_MAX).collect()
    }
}

/// A connection, encrypted or not.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl Stream for TcpStream {}
impl Stream for TlsStream<TcpStream> {}

async fn open(
    endpoint: &Endpoint,
    tls: &Arc<rustls::ClientConfig>,
) -> Result<Box<dyn Stream>, String> {
    let tcp = TcpStream::connect((endpoint.host.as_str(), endpoint.port))
        .await
        .map_err(|error| format!("cannot connect: {error}"))?;
    if !endpoint.is_secure {
        return Ok(Box::new(tcp));
    }
    let name = ServerName::try_from(endpoint.host.clone())
        .map_err(|_| "the host is no name that a certificate could be for")?;
    let stream = TlsConnector::from(Arc::clone(tls)).connect(name, tcp).await;
    Ok(Box::new(stream.map_err(|error| format!("TLS failed: {error}"))?))
}

type Answered = (http::StatusCode, Option<Duration>, String);

async fn exchange(
    stream: Box<dyn Stream>,
    request: Request<Full<Bytes>>,
) -> hyper::Result<Answered> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let answered = async {
        let response = sender.send_request(request).await?;
        Ok(read(response).await)
    };
    drive(answered, connection).await
}

/// Polls the connection for as long as its exchange lasts.
async fn drive<T>(
    exchange: impl Future<Output = T>,
    connection: impl Future<Output = hyper::Result<()>>,
) -> T {
    let mut exchange = pin!(exchange);
    tokio::select! {
        biased;
        answered = &mut exchange => answered,
        // Whatever ended it, the exchange has been told.
        _ = connection => exchange.await,
    }
}

async fn read(response: Response<Incoming>) -> Answered {
    let status = response.status();
    let retry_after = response
        .headers()
        .get(RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.trim().parse().ok().map(Duration::from_secs));
    let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
    // A receiver that took the message has taken it, however its answer ends.
    let said = body.map(|body| String::from_utf8_lossy(&body.to_bytes()).into_owned());
    (status, retry_after, said.unwrap_or_default())
}

/// Trusts the public certificate authorities, and those in `authorities_pem`.
pub(super) fn tls_config(authorities_pem: Option<&[u8]>) -> Result<rustls::ClientConfig, String> {
    let mut roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let before = roots.len();
    for certificate in authorities_pem.into_iter().flat_map(CertificateDer::pem_slice_iter) {
        let wrong = |error: &dyn std::fmt::Display| format!("the authorities' file: {error}");
        let certificate = certificate.map_err(|error| wrong(&error))?;
        roots.add(certificate).map_err(|error| wrong(&error))?;
    }
    if authorities_pem.is_some() && roots.len() == before {
        return Err("the authorities' file holds no PEM certificate".into());
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring supports the default protocol versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}
