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

use super::endpoint::Endpoint;
use crate::notice::DeliveryError;

/// This much of an answer is read; what follows tells no more.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// This much of it is told.
const SAID_CHARS_MAX: usize = 200;

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
        let endpoint = self.endpoint;
        let fail = |what: String| DeliveryError::new(format!("{endpoint}: {what}"));
        let request = self.request().map_err(fail)?;
        let tcp = TcpStream::connect((endpoint.host.as_str(), endpoint.port))
            .await
            .map_err(|error| fail(format!("cannot connect: {error}")))?;
        let (status, retry_after, said) = if endpoint.is_secure {
            let name = ServerName::try_from(endpoint.host.clone())
                .map_err(|_| fail("the host is no name that a certificate could be for".into()))?;
            let stream = TlsConnector::from(Arc::clone(tls))
                .connect(name, tcp)
                .await
                .map_err(|error| fail(format!("TLS failed: {error}")))?;
            exchange(stream, request).await.map_err(fail)?
        } else {
            exchange(tcp, request).await.map_err(fail)?
        };
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
        let said = if said.is_empty() { said } else { format!(": {said}") };
        Err(DeliveryError { retry_after, ..fail(format!("HTTP {status}{said}{hint}")) })
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
        let said = if target.reveal() == "/" { said.to_owned() } else { target.redact(said) };
        let said = self.authorization.map_or(said.clone(), |secret| {
            let words = secret.reveal().split_ascii_whitespace().filter(|word| word.len() >= 8);
            let said = secret.redact(&said);
            words.fold(said, |said, word| said.replace(word, "[redacted]"))
        });
        let said: String = said
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
            .chars()
            .take(SAID_CHARS_MAX)
            .collect();
        said
    }
}

type Answered = (http::StatusCode, Option<Duration>, String);

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    request: Request<Full<Bytes>>,
) -> Result<Answered, String> {
    let broke = |error: hyper::Error| format!("the connection broke: {error}");
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broke)?;
    let answered = async {
        let response = sender.send_request(request).await.map_err(broke)?;
        read(response).await
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

async fn read(response: Response<Incoming>) -> Result<Answered, String> {
    let status = response.status();
    let retry_after = response
        .headers()
        .get(RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.trim().parse().ok().map(Duration::from_secs));
    let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
    // A receiver that took the message has taken it, however its answer ends.
    let said = body.map(|body| String::from_utf8_lossy(&body.to_bytes()).into_owned());
    Ok((status, retry_after, said.unwrap_or_default()))
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
