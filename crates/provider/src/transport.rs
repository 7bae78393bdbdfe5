//! Opens connections: name resolution, TCP, TLS, each timed by itself.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use domain::{Arrival, Clock, ConnectStage, Connection, Failure, FailureKind};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::stamp::StampedStream;
use crate::target::{BaseUrl, HttpVersion, Target, TargetError};

/// A connection's bytes, plain or through TLS, with their arrival.
#[derive(Debug)]
pub enum Transport {
    /// Unencrypted.
    Plain(StampedStream),
    /// Encrypted; the arrival is that of the segment which completed the record.
    Secure(Box<TlsStream<StampedStream>>),
}

impl Transport {
    fn stream(&self) -> &StampedStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Secure(stream) => stream.get_ref().0,
        }
    }

    /// When the bytes of the last read came.
    #[must_use]
    pub fn arrival(&self) -> Arrival {
        self.stream().arrival()
    }

    /// Whether arrivals are the kernel's stamps.
    #[must_use]
    pub fn is_stamped(&self) -> bool {
        self.stream().is_stamped()
    }

    /// Whether an idle connection is still good. Over TLS an unread record (a session ticket, say)
    /// makes it look used, and only the end of the stream counts against it.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.stream().is_idle()
    }

    /// Reads what there is into `buffer`; 0 at the end of the stream.
    pub fn poll_recv(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(stream) => stream.poll_recv(context, buffer),
            Self::Secure(stream) => {
                let mut filled = ReadBuf::new(buffer);
                ready!(Pin::new(stream).poll_read(context, &mut filled))?;
                Poll::Ready(Ok(filled.filled().len()))
            }
        }
    }
}

impl AsyncRead for Transport {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Secure(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Transport {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Secure(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Secure(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Secure(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}

/// Opens connections to one server. The name is resolved once and its addresses kept for the run,
/// so that ten thousand connections do not ask ten thousand times.
#[derive(Debug)]
pub(crate) struct Connector {
    url: BaseUrl,
    tls: Option<(Arc<rustls::ClientConfig>, ServerName<'static>)>,
    timeout: Duration,
    clock: Arc<dyn Clock>,
    addresses: OnceLock<Vec<SocketAddr>>,
}

impl Connector {
    pub(crate) fn new(target: &Target, clock: Arc<dyn Clock>) -> Result<Self, TargetError> {
        let tls = if target.url.secure {
            let name =
                ServerName::try_from(target.url.host.clone()).map_err(|_| TargetError::Url {
                    url: target.url.to_string(),
                    reason: "the host is no name that a certificate could be for".into(),
                })?;
            Some((Arc::new(tls_config(target)?), name))
        } else {
            None
        };
        Ok(Self {
            url: target.url.clone(),
            tls,
            timeout: target.timeouts.connect,
            clock,
            addresses: OnceLock::new(),
        })
    }

    /// Opens a connection and tells what that cost.
    pub(crate) async fn open(&self) -> Result<(Transport, Connection), Failure> {
        tokio::time::timeout(self.timeout, self.open_untimed()).await.unwrap_or_else(|_| {
            Err(Failure::new(
                FailureKind::Timeout,
                format!("no connection to {} within {:?}", self.url, self.timeout),
            ))
        })
    }

    async fn open_untimed(&self) -> Result<(Transport, Connection), Failure> {
        let begun = self.clock.now();
        let addresses = self.resolve().await?;
        let resolved = self.clock.now();
        let tcp = TcpStream::connect(addresses).await.map_err(|error| {
            self.failure(ConnectStage::Tcp, format!("cannot connect to {}: {error}", self.url))
        })?;
        tcp.set_nodelay(true).map_err(|error| {
            self.failure(ConnectStage::Tcp, format!("cannot set up the socket: {error}"))
        })?;
        let connected = self.clock.now();
        let stream = StampedStream::new(tcp, Arc::clone(&self.clock));
        let (transport, secure) = match &self.tls {
            None => (Transport::Plain(stream), None),
            Some((config, name)) => {
                let connector = TlsConnector::from(Arc::clone(config));
                let stream = connector.connect(name.clone(), stream).await.map_err(|error| {
                    self.failure(
                        ConnectStage::Tls,
                        format!("TLS with {} failed: {error}", self.url),
                    )
                })?;
                let secure = self.clock.now().since(connected);
                (Transport::Secure(Box::new(stream)), Some(secure))
            }
        };
        let cost = Connection {
            resolve: resolved.since(begun),
            connect: connected.since(resolved),
            secure,
        };
        Ok((transport, cost))
    }

    async fn resolve(&self) -> Result<&[SocketAddr], Failure> {
        if let Some(addresses) = self.addresses.get() {
            return Ok(addresses);
        }
        let found: Vec<SocketAddr> =
            tokio::net::lookup_host((self.url.host.as_str(), self.url.port))
                .await
                .map_err(|error| {
                    self.failure(
                        ConnectStage::Resolve,
                        format!("cannot find host `{}`: {error}", self.url.host),
                    )
                })?
                .collect();
        if found.is_empty() {
            let message = format!("host `{}` has no address", self.url.host);
            return Err(self.failure(ConnectStage::Resolve, message));
        }
        Ok(self.addresses.get_or_init(|| found))
    }

    fn failure(&self, stage: ConnectStage, message: String) -> Failure {
        Failure::new(FailureKind::Connect(stage), message)
    }
}

fn tls_config(target: &Target) -> Result<rustls::ClientConfig, TargetError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("ring supports the default protocol versions");
    let mut config = if target.tls.insecure {
        builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(trust_all::TrustAll(provider)))
            .with_no_client_auth()
    } else {
        builder.with_root_certificates(roots(target)?).with_no_client_auth()
    };
    config.alpn_protocols = match target.http {
        HttpVersion::Http1 => vec![b"http/1.1".to_vec()],
        HttpVersion::Http2 => vec![b"h2".to_vec()],
    };
    Ok(config)
}

fn roots(target: &Target) -> Result<rustls::RootCertStore, TargetError> {
    let mut roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let Some(pem) = &target.tls.authorities_pem else { return Ok(roots) };
    let before = roots.len();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate =
            certificate.map_err(|error| TargetError::Certificate(error.to_string()))?;
        roots.add(certificate).map_err(|error| TargetError::Certificate(error.to_string()))?;
    }
    if roots.len() == before {
        return Err(TargetError::Certificate("it holds no PEM certificate".into()));
    }
    Ok(roots)
}

/// For `Tls::insecure`: a verifier that checks signatures but trusts any certificate.
mod trust_all {
    use std::sync::Arc;

    use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
    use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
    use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
    use rustls::{DigitallySignedStruct, Error, SignatureScheme};

    #[derive(Debug)]
    pub(super) struct TrustAll(pub(super) Arc<CryptoProvider>);

    impl ServerCertVerifier for TrustAll {
        fn verify_server_cert(
            &self,
            _: &CertificateDer<'_>,
            _: &[CertificateDer<'_>],
            _: &ServerName<'_>,
            _: &[u8],
            _: UnixTime,
        ) -> Result<ServerCertVerified, Error> {
            Ok(ServerCertVerified::assertion())
        }

        fn verify_tls12_signature(
            &self,
            message: &[u8],
            certificate: &CertificateDer<'_>,
            signature: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            let algorithms = &self.0.signature_verification_algorithms;
            verify_tls12_signature(message, certificate, signature, algorithms)
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            certificate: &CertificateDer<'_>,
            signature: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            let algorithms = &self.0.signature_verification_algorithms;
            verify_tls13_signature(message, certificate, signature, algorithms)
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            self.0.signature_verification_algorithms.supported_schemes()
        }
    }
}
