//! Opens connections: name resolution, TCP, TLS, each timed by itself.

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd as _, RawFd};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use domain::{Arrival, Clock, ConnectStage, Connection, Failure, FailureKind};
use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::patience;
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

    /// Whether an idle connection is still good: nothing unread, not closed by the other side. Over
    /// TLS, records that are no data (a session ticket, say) are taken in first.
    ///
    /// Costs no system call unless the socket has become readable since it was last read dry.
    #[must_use]
    pub fn is_idle(&mut self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_idle(),
            Self::Secure(stream) => {
                let mut byte = [0];
                let mut filled = ReadBuf::new(&mut byte);
                let mut context = Context::from_waker(Waker::noop());
                // The next real read registers its own waker. Outside the task's budget, whose end
                // would look like an idle connection.
                let read =
                    poll_fn(|context| Pin::new(&mut *stream).poll_read(context, &mut filled));
                pin!(tokio::task::coop::unconstrained(read)).poll(&mut context).is_pending()
            }
        }
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
    http: HttpVersion,
    stamped: AtomicBool,
    /// The number that no connection's descriptor may reach.
    descriptors_end: RawFd,
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
            http: target.http,
            stamped: AtomicBool::new(true),
            descriptors_end: descriptors_end(),
        })
    }

    /// Whether every connection so far had the kernel's receive stamps.
    pub(crate) fn is_stamped(&self) -> bool {
        self.stamped.load(Ordering::Relaxed)
    }

    /// When a connection that is begun now must be open.
    pub(crate) fn deadline(&self) -> Instant {
        patience::deadline(Instant::now(), self.timeout)
    }

    /// Waits for `step` until `deadline`.
    pub(crate) async fn within<T>(
        &self,
        deadline: Instant,
        what: &str,
        step: impl Future<Output = T>,
    ) -> Result<T, Failure> {
        tokio::time::timeout_at(deadline, step).await.map_err(|_| {
            Failure::new(
                FailureKind::Timeout,
                format!("no {what} from {} within {:?}", self.url, self.timeout),
            )
        })
    }

    /// Opens a connection and tells what that cost.
    pub(crate) async fn open(&self) -> Result<(Transport, Connection), Failure> {
        self.open_by(self.deadline()).await
    }

    /// As [`open`](Self::open), with the deadline given.
    pub(crate) async fn open_by(
        &self,
        deadline: Instant,
    ) -> Result<(Transport, Connection), Failure> {
        let begun = self.clock.now();
        let addresses = self.within(deadline, "address", self.resolve()).await??;
        let resolved = self.clock.now();
        let connecting = connect_to_one_of(addresses, self.descriptors_end);
        let tcp = self.within(deadline, "connection", connecting).await?.map_err(|error| {
            let what = format!("cannot connect to {}", self.url);
            failure(ConnectStage::Tcp, &what, &error)
        })?;
        tcp.set_nodelay(true)
            .map_err(|error| failure(ConnectStage::Tcp, "cannot set up the socket", &error))?;
        let connected = self.clock.now();
        let stream = StampedStream::new(tcp, Arc::clone(&self.clock));
        self.stamped.fetch_and(stream.is_stamped(), Ordering::Relaxed);
        let mut cost = Connection {
            resolve: resolved.since(begun),
            connect: connected.since(resolved),
            secure: None,
        };
        let Some((config, name)) = &self.tls else { return Ok((Transport::Plain(stream), cost)) };
        let agreeing = TlsConnector::from(Arc::clone(config)).connect(name.clone(), stream);
        let stream = self
            .within(deadline, "answer in TLS (does it speak TLS on this port?)", agreeing)
            .await?
            .map_err(|error| {
                let hint = self.tls_hint(&error);
                let message = format!("TLS with {} failed: {error}{hint}", self.url);
                unconnected(ConnectStage::Tls, message)
            })?;
        cost.secure = Some(self.clock.now().since(connected));
        if self.http == HttpVersion::Http2 && stream.get_ref().1.alpn_protocol() != Some(b"h2") {
            let message = format!("{} does not offer HTTP/2; choose HTTP/1.1", self.url);
            return Err(unconnected(ConnectStage::Tls, message));
        }
        Ok((Transport::Secure(Box::new(stream)), cost))
    }

    /// What to do about a failed handshake, where that can be told.
    fn tls_hint(&self, error: &io::Error) -> &'static str {
        let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>());
        match cause {
            Some(rustls::Error::InvalidMessage(_)) => {
                "; the server does not speak TLS on this port, is it http://?"
            }
            Some(rustls::Error::InvalidCertificate(_)) => {
                "; trust the authority that signed it, or accept any certificate on a closed network"
            }
            Some(rustls::Error::AlertReceived(rustls::AlertDescription::NoApplicationProtocol)) => {
                match self.http {
                    HttpVersion::Http1 => "; the server offers no HTTP/1.1, choose HTTP/2",
                    HttpVersion::Http2 => "; the server offers no HTTP/2, choose HTTP/1.1",
                }
            }
            None if error.kind() == io::ErrorKind::UnexpectedEof => {
                "; does the server speak TLS on this port?"
            }
            Some(_) | None => "",
        }
    }

    async fn resolve(&self) -> Result<&[SocketAddr], Failure> {
        if let Some(addresses) = self.addresses.get() {
            return Ok(addresses);
        }
        let found: Vec<SocketAddr> =
            tokio::net::lookup_host((self.url.host.as_str(), self.url.port))
                .await
                .map_err(|error| {
                    let what = format!("cannot find host `{}`", self.url.host);
                    failure(ConnectStage::Resolve, &what, &error)
                })?
                .collect();
        if found.is_empty() {
            let message = format!("host `{}` has no address", self.url.host);
            return Err(unconnected(ConnectStage::Resolve, message));
        }
        Ok(self.addresses.get_or_init(|| found))
    }
}

/// Leaves some of the descriptors this process may have to whoever keeps the records: a load that
/// takes them all would leave none to write with.
fn descriptors_end() -> RawFd {
    const KEPT: u64 = 32;
    let limit = getrlimit(Resource::RLIMIT_NOFILE).map_or(u64::MAX, |(soft, _)| soft);
    RawFd::try_from(limit - KEPT.min(limit / 4)).unwrap_or(RawFd::MAX)
}

/// Connects to the first of `addresses` that can be reached.
///
/// # Errors
/// The [more telling](more_telling) of those that the addresses met.
async fn connect_to_one_of(
    addresses: &[SocketAddr],
    descriptors_end: RawFd,
) -> io::Result<TcpStream> {
    let mut told: Option<io::Error> = None;
    for &address in addresses {
        match TcpStream::connect(address).await {
            // The lowest free number is given out, so that this one says how many are in use.
            Ok(tcp) if tcp.as_raw_fd() >= descriptors_end => return Err(Errno::EMFILE.into()),
            Ok(tcp) => return Ok(tcp),
            Err(error) => told = Some(more_telling(told, error)),
        }
    }
    Err(told.unwrap_or_else(|| io::ErrorKind::NotFound.into()))
}

/// Of what two addresses met, what was no fault of this machine: a machine without IPv6 has no
/// address to go to `::1` from, but that is not why no server is on `localhost`.
fn more_telling(earlier: Option<io::Error>, error: io::Error) -> io::Error {
    match earlier {
        Some(earlier) if own_lack(&error).is_some() => earlier,
        Some(_) | None => error,
    }
}

/// The failure at `stage` that `error` stands for: the server's, or this machine's own.
fn failure(stage: ConnectStage, what: &str, error: &io::Error) -> Failure {
    match own_lack(error) {
        Some(lack) => {
            Failure::new(FailureKind::ClientResources, format!("{what}: {lack} ({error})"))
        }
        None => unconnected(stage, format!("{what}: {error}")),
    }
}

fn unconnected(stage: ConnectStage, message: String) -> Failure {
    Failure::new(FailureKind::Connect(stage), message)
}

/// What this machine lacks for another connection, where that is why it was not opened.
fn own_lack(error: &io::Error) -> Option<&'static str> {
    match Errno::from_raw(error.raw_os_error()?) {
        Errno::EMFILE => Some("this process has too many open files"),
        Errno::ENFILE => Some("this machine has too many open files"),
        Errno::EADDRNOTAVAIL => Some("this machine has no free port or no address to connect from"),
        Errno::ENOBUFS | Errno::ENOMEM => Some("this machine has no memory for another socket"),
        _ => None,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_this_machine_lacks_is_not_the_servers_failure() {
        let (tcp, own) = (FailureKind::Connect(ConnectStage::Tcp), FailureKind::ClientResources);
        for (errno, kind, part) in [
            (Errno::EMFILE, own, "cannot connect: this process has too many open files"),
            (Errno::ENFILE, own, "this machine has too many open files"),
            (Errno::EADDRNOTAVAIL, own, "no free port"),
            (Errno::ENOBUFS, own, "no memory"),
            (Errno::ECONNREFUSED, tcp, "cannot connect: "),
            (Errno::ENETUNREACH, tcp, "unreachable"),
        ] {
            let failure = failure(ConnectStage::Tcp, "cannot connect", &errno.into());
            assert_eq!(failure.kind, kind, "{errno}");
            assert!(failure.message.contains(part), "{failure}");
        }
    }

    #[test]
    fn a_server_that_refuses_is_told_before_an_address_of_no_use_here() {
        let of = |errnos: [Errno; 2]| {
            let [first, second] = errnos.map(io::Error::from);
            more_telling(Some(more_telling(None, first)), second).raw_os_error()
        };
        let (refused, useless) = (Errno::ECONNREFUSED, Errno::EADDRNOTAVAIL);
        for (met, told) in [
            ([refused, useless], refused),
            ([useless, refused], refused),
            ([useless, Errno::EMFILE], useless),
        ] {
            assert_eq!(of(met), Some(told as i32), "{met:?}");
        }
    }
}
