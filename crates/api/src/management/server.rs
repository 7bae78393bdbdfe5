//! Where the management API listens.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper::service::{Service as _, service_fn};
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::accept::{Stopped, accept, speak};
use crate::management::guard::Peer;
use crate::server::BindError;

/// How many clients may be connected; the others wait.
const CONNECTIONS_MAX: usize = 1_024;
/// How long a client may take over the TLS handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Why a certificate cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// The file of certificates has none that can be read.
    #[error("the certificate file has no certificate in PEM form")]
    NoCertificate,
    /// The file of the key has none that can be read.
    #[error("the key file has no private key in PEM form")]
    NoKey,
    /// The two do not go together, or are of a kind that is not known.
    #[error("the certificate and its key cannot be used: {0}")]
    Unusable(String),
}

/// What the server shows over TLS, and proves it with.
#[derive(Clone)]
pub struct Certificate(TlsAcceptor);

impl Certificate {
    /// Reads a chain of certificates, the server's own first, and its private key, both as PEM.
    ///
    /// # Errors
    /// Where they cannot be used together.
    pub fn read(chain_pem: &[u8], key_pem: &[u8]) -> Result<Self, CertificateError> {
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(chain_pem)
            .collect::<Result<_, _>>()
            .map_err(|_| CertificateError::NoCertificate)?;
        if chain.is_empty() {
            return Err(CertificateError::NoCertificate);
        }
        let key = PrivateKeyDer::from_pem_slice(key_pem).map_err(|_| CertificateError::NoKey)?;
        let unusable = |error: rustls::Error| CertificateError::Unusable(error.to_string());
        let mut config =
            ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .map_err(unusable)?
                .with_no_client_auth()
                .with_single_cert(chain, key)
                .map_err(unusable)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(TlsAcceptor::from(Arc::new(config))))
    }
}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Certificate(…)")
    }
}

/// A server of the management API.
#[derive(Debug)]
pub struct ManagementServer {
    listener: TcpListener,
    address: SocketAddr,
    certificate: Option<Certificate>,
}

impl ManagementServer {
    /// Listens on `address` (port 0 takes a free one), over TLS where there is a certificate.
    ///
    /// # Errors
    /// Where the address cannot be listened on.
    pub async fn bind(
        address: SocketAddr,
        certificate: Option<Certificate>,
    ) -> Result<Self, BindError> {
        let refused = |source: io::Error| BindError::Address { address, source };
        let listener = TcpListener::bind(address).await.map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        Ok(Self { listener, address, certificate })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves `router` until `stop` is done, then closes the listener, lets answers under way end
    /// for at most `grace`, and cuts off the rest.
    pub async fn run(
        self,
        router: Router,
        stop: impl Future<Output = ()>,
        grace: Duration,
    ) -> Stopped {
        let certificate = self.certificate;
        accept(self.listener, CONNECTIONS_MAX, stop, grace, |socket, peer, closing| {
            serve(socket, peer, certificate.clone(), router.clone(), closing)
        })
        .await
    }
}

async fn serve(
    socket: TcpStream,
    peer: SocketAddr,
    certificate: Option<Certificate>,
    router: Router,
    closing: CancellationToken,
) {
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(Peer(peer.ip()));
        router.call(request)
    });
    match certificate {
        None => speak(socket, service, closing).await,
        Some(Certificate(acceptor)) => {
            let shaken = tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(socket)).await;
            // Who does not get through the handshake sees for itself.
            if let Ok(Ok(stream)) = shaken {
                speak(stream, service, closing).await;
            }
        }
    }
}
