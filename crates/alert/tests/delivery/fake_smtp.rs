//! A strict fake SMTP server on a loopback socket.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// How it wants to be spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    Plain,
    StartTls,
    Tls,
}

/// A server that takes one mail a connection. What it hears in the right order is written down; the
/// first line out of order ends the dialogue.
pub(crate) struct FakeSmtp {
    pub(crate) address: SocketAddr,
    pub(crate) certificate_pem: String,
    heard: Arc<Mutex<Vec<String>>>,
    _tasks: JoinSet<()>,
}

/// What it answers to these commands in place of success.
pub(crate) type Refusal = Option<(&'static str, &'static str)>;

impl FakeSmtp {
    pub(crate) async fn start(manner: Manner, refusal: Refusal) -> Self {
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let certified = rcgen::generate_simple_self_signed(names).expect("the names are valid");
        let key = PrivateKeyDer::Pkcs8(certified.signing_key.serialize_der().into());
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring serves the default versions")
            .with_no_client_auth()
            .with_single_cert(vec![certified.cert.der().clone()], key)
            .expect("the key is the certificate's");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let heard = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = JoinSet::new();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let dialogue = Dialogue { heard: Arc::clone(&heard), refusal };
        tasks.spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.expect("a bound socket accepts");
                serve(socket, manner, &acceptor, &dialogue).await;
            }
        });
        Self { address, certificate_pem: certified.cert.pem(), heard, _tasks: tasks }
    }

    /// Every line it heard, its own words left out.
    pub(crate) fn heard(&self) -> Vec<String> {
        self.heard.lock().expect("no test panicked").clone()
    }
}

struct Dialogue {
    heard: Arc<Mutex<Vec<String>>>,
    refusal: Refusal,
}

async fn serve(
    socket: tokio::net::TcpStream,
    manner: Manner,
    acceptor: &TlsAcceptor,
    dialogue: &Dialogue,
) {
    if manner == Manner::Tls {
        if let Ok(stream) = acceptor.accept(socket).await {
            dialogue.mail(BufReader::new(stream), true).await;
        }
        return;
    }
    let mut stream = BufReader::new(socket);
    if manner == Manner::Plain {
        dialogue.mail(stream, true).await;
        return;
    }
    write(&mut stream, "220 fake").await;
    assert!(dialogue.hear(&mut stream).await.starts_with("EHLO "));
    write(&mut stream, "250-fake\r\n250 STARTTLS").await;
    if dialogue.hear(&mut stream).await != "STARTTLS" {
        return;
    }
    write(&mut stream, "220 go").await;
    if let Ok(stream) = acceptor.accept(stream.into_inner()).await {
        dialogue.mail(BufReader::new(stream), false).await;
    }
}

impl Dialogue {
    /// Takes one mail.
    async fn mail<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        mut stream: BufReader<S>,
        greets: bool,
    ) {
        if greets {
            write(&mut stream, "220 fake").await;
        }
        loop {
            let line = self.hear(&mut stream).await;
            let command = line.split([' ', ':']).next().unwrap_or_default();
            if let Some((refused, answer)) = self.refusal
                && refused == command
            {
                write(&mut stream, answer).await;
                continue;
            }
            match command {
                "EHLO" => write(&mut stream, "250-fake\r\n250-8BITMIME\r\n250 AUTH PLAIN").await,
                "AUTH" => write(&mut stream, "235 welcome").await,
                "MAIL" | "RCPT" => write(&mut stream, "250 fine").await,
                "DATA" => {
                    write(&mut stream, "354 go").await;
                    while self.hear(&mut stream).await != "." {}
                    write(&mut stream, "250 taken").await;
                }
                "QUIT" => return write(&mut stream, "221 bye").await,
                "" => return,
                other => panic!("out of order: {other}"),
            }
        }
    }

    async fn hear<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: &mut BufReader<S>) -> String {
        let mut line = String::new();
        // A client that breaks off has nothing more to say.
        if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
            return String::new();
        }
        let line = line.strip_suffix("\r\n").expect("lines end in CR LF").to_owned();
        self.heard.lock().expect("no test panicked").push(line.clone());
        line
    }
}

async fn write<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut BufReader<S>, line: &str) {
    let line = format!("{line}\r\n");
    // A client that has gone away will hear nothing, and the test will see why.
    let _ = stream.get_mut().write_all(line.as_bytes()).await;
    let _ = stream.get_mut().flush().await;
}
