//! One HTTP request on a connection of its own: what scraping and pushing have in common.

use std::io;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Body;
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, HOST, HeaderValue};
use hyper::{Request, Response, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// The longest answer read. vLLM's metrics are some 100 KiB for one model.
const BYTES_MAX: usize = 16 << 20;

/// A server that is reached over plain HTTP, and a path on it.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    url: Uri,
    authority: HeaderValue,
}

/// Why a text is no address of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AddressError {
    /// It is no URL.
    Invalid,
    /// It is one of another scheme.
    Scheme,
}

/// Why a server did not answer.
#[derive(Debug)]
pub(crate) enum ExchangeError {
    /// It cannot be reached.
    Connect(io::Error),
    /// It broke off, or does not speak HTTP.
    Http(hyper::Error),
}

/// An answer. Its body is the reason where it broke off or is too long.
pub(crate) type Answer = Response<Result<Bytes, String>>;

impl Server {
    pub(crate) fn parse(url: &str) -> Result<Self, AddressError> {
        let url: Uri = url.parse().map_err(|_| AddressError::Invalid)?;
        let authority = url.authority().ok_or(AddressError::Invalid)?;
        match url.scheme_str() {
            Some("http") => {}
            Some(_) => return Err(AddressError::Scheme),
            None => return Err(AddressError::Invalid),
        }
        let authority =
            HeaderValue::from_str(authority.as_str()).map_err(|_| AddressError::Invalid)?;
        Ok(Self { url, authority })
    }

    pub(crate) const fn url(&self) -> &Uri {
        &self.url
    }

    /// Sends `request` to the path of the URL.
    pub(crate) async fn exchange<B>(&self, mut request: Request<B>) -> Result<Answer, ExchangeError>
    where
        B: Body<Data = Bytes, Error: std::error::Error + Send + Sync + 'static> + 'static,
    {
        *request.uri_mut() =
            self.url.path_and_query().map_or(Uri::default(), |path| Uri::from(path.clone()));
        request.headers_mut().insert(HOST, self.authority.clone());
        request.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));

        let host = self.url.host().unwrap_or_default();
        // An IPv6 address stands in brackets there, and not here.
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let port = self.url.port_u16().unwrap_or(80);
        let stream = TcpStream::connect((host, port)).await.map_err(ExchangeError::Connect)?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(ExchangeError::Http)?;
        let exchange = async move {
            let response = sender.send_request(request).await.map_err(ExchangeError::Http)?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, BYTES_MAX).collect().await;
            let body = body.map(|body| body.to_bytes()).map_err(|error| error.to_string());
            Ok(Response::from_parts(head, body))
        };
        // The connection does the work of both. It ends with the exchange, which drops the sender.
        let (answer, _) = tokio::join!(exchange, connection);
        answer
    }
}
