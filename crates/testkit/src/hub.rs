//! A stand-in of the model hub, for clients that can be pointed at another endpoint.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

/// The commit every file belongs to.
const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// Serves one file as the hub serves large ones: `GET /OWNER/REPO/resolve/main/FILE` names the
/// commit and the file's tag and sends the client on to where the bytes lie, which come by range.
/// Any other file is missing, as the hub says it.
///
/// It is bound to 127.0.0.1 and stops when dropped.
#[derive(Debug)]
pub struct FakeHub {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    address: SocketAddr,
    name: String,
    file: PathBuf,
    asked: Mutex<Vec<String>>,
    stop: AtomicBool,
}

impl FakeHub {
    /// Serves `file` under `name`, as in `owner/repo/model.gguf`, from the main branch.
    ///
    /// # Panics
    /// Where no port can be bound.
    #[must_use]
    pub fn start(name: &str, file: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let shared = Arc::new(Shared {
            address,
            name: name.to_owned(),
            file: file.to_owned(),
            asked: Mutex::default(),
            stop: AtomicBool::new(false),
        });
        let serving = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            for socket in listener.incoming() {
                if serving.stop.load(Ordering::Acquire) {
                    break;
                }
                // A client that goes away in the middle, as after the head, is within its rights.
                let _ = socket.and_then(|socket| serving.answer(&socket));
            }
        });
        Self { address, shared, thread: Some(thread) }
    }

    /// Its base address, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The requests that came: method, path and range of each.
    #[must_use]
    pub fn asked(&self) -> Vec<String> {
        self.shared.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for FakeHub {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        // Wakes the thread, which waits for connections.
        let woken = TcpStream::connect(self.address).is_ok();
        if let Some(thread) = self.thread.take().filter(|_| woken) {
            let _ = thread.join();
        }
    }
}

impl Shared {
    /// Answers the one request of a connection.
    fn answer(&self, socket: &TcpStream) -> std::io::Result<()> {
        let mut lines = BufReader::new(socket).lines();
        let first = lines.next().transpose()?.unwrap_or_default();
        let mut range = None;
        for line in lines {
            let line = line?;
            if line.is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("range")
            {
                range = Some(value.trim().to_owned());
            }
        }
        let asked = first.strip_suffix(" HTTP/1.1").unwrap_or(&first);
        let noted = format!("{asked} {}", range.as_deref().unwrap_or("whole"));
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).push(noted);
        let path = asked.strip_prefix("GET /").unwrap_or_default();
        let bytes = format!("bytes/{}", self.name);
        if path == bytes {
            return self.send_range(socket, range.as_deref());
        }
        let head = match self.name.rsplit_once('/') {
            Some((repo, file)) if path == format!("{repo}/resolve/main/{file}") => format!(
                "HTTP/1.1 302 Found\r\nlocation: http://{}/{bytes}\r\nx-repo-commit: {COMMIT}\r\n\
                 x-linked-etag: \"stand-in\"\r\netag: \"pointer\"\r\n",
                self.address
            ),
            _ => "HTTP/1.1 404 Not Found\r\nx-error-code: EntryNotFound\r\n".to_owned(),
        };
        send(socket, &format!("{head}content-length: 0\r\n"))
    }

    /// Sends the part of the file that `range` asks for, as in `bytes=0-0` or `bytes=100-`.
    #[expect(clippy::disallowed_methods, reason = "the file is what the hub is there to serve")]
    fn send_range(&self, mut socket: &TcpStream, range: Option<&str>) -> std::io::Result<()> {
        let mut file = File::open(&self.file)?;
        let size = file.metadata()?.len();
        let (from, to) = range
            .and_then(|range| range.strip_prefix("bytes=")?.split_once('-'))
            .map_or((0, size - 1), |(from, to)| {
                (from.parse().unwrap_or(0), to.parse().unwrap_or(size - 1))
            });
        let length = to + 1 - from;
        send(
            socket,
            &format!(
                "HTTP/1.1 206 Partial Content\r\ncontent-range: bytes {from}-{to}/{size}\r\n\
                 content-length: {length}\r\netag: \"bytes\"\r\n"
            ),
        )?;
        file.seek(SeekFrom::Start(from))?;
        std::io::copy(&mut file.take(length), &mut socket).map(drop)
    }
}

/// Sends a head, its last line that of a connection which serves no further request.
fn send(mut socket: &TcpStream, head: &str) -> std::io::Result<()> {
    socket.write_all(format!("{head}connection: close\r\n\r\n").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_served_by_way_of_a_redirect_and_by_range() {
        let file = crate::asset::workspace().join("Cargo.toml");
        let hub = FakeHub::start("owner/repo/a.toml", &file);
        let ask = |path: &str, range: &str| {
            let mut socket = TcpStream::connect(hub.address).unwrap();
            let head = format!("GET {path} HTTP/1.1\r\nhost: hub\r\nRange: {range}\r\n\r\n");
            socket.write_all(head.as_bytes()).unwrap();
            let mut answer = String::new();
            socket.read_to_string(&mut answer).unwrap();
            answer
        };
        let pointer = ask("/owner/repo/resolve/main/a.toml", "bytes=0-0");
        assert!(pointer.contains(" 302 ") && pointer.contains("x-linked-etag"), "{pointer}");
        assert!(ask("/owner/repo/resolve/main/b.toml", "bytes=0-0").contains(" 404 "));
        let part = ask("/bytes/owner/repo/a.toml", "bytes=1-9");
        assert!(part.ends_with("\r\n\r\nworkspace"), "{part}");
        assert_eq!(hub.asked()[2], "GET /bytes/owner/repo/a.toml bytes=1-9");
    }
}
