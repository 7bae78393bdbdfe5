//! What happens now, to those who watch.

use api::management::LiveWindow;
use serde_json::json;

use super::*;

fn window(at_unix_ms: u64) -> LiveWindow {
    LiveWindow {
        at_unix_ms,
        interval_ms: 200,
        series: Vec::new(),
        benchmarks: Vec::new(),
        resources: None,
    }
}

/// A client that watches.
struct Watcher {
    socket: TcpStream,
    text: String,
}

impl Watcher {
    async fn new(desk: &Desk) -> Self {
        let request = format!("GET /api/v1/live HTTP/1.1\r\nhost: {}\r\n\r\n", desk.address);
        let mut watcher = Self { socket: desk.send(&request).await, text: String::new() };
        watcher.read_until("\r\n\r\n").await;
        watcher
    }

    async fn read_until(&mut self, end: &str) -> String {
        loop {
            if let Some(at) = self.text.find(end) {
                let rest = self.text.split_off(at + end.len());
                return std::mem::replace(&mut self.text, rest);
            }
            let mut bytes = [0; 65_536];
            let count = self.socket.read(&mut bytes).await.expect("it sends");
            assert_ne!(count, 0, "the stream ended: {}", self.text);
            self.text.push_str(std::str::from_utf8(&bytes[..count]).expect("ASCII"));
        }
    }

    /// The next event and its data.
    async fn event(&mut self) -> (String, Value) {
        let text = self.read_until("\n\n").await;
        let line = |name: &str| {
            let of = |line: &str| line.strip_prefix(name).map(str::to_owned);
            text.lines().find_map(of).unwrap_or_else(|| panic!("no {name} in {text}"))
        };
        (line("event: "), serde_json::from_str(&line("data: ")).expect("JSON"))
    }
}

#[tokio::test]
async fn a_watcher_gets_what_was_and_what_comes() {
    let desk = Desk::new().await;
    for at in 0..130 {
        desk.live.publish(&window(at));
    }
    let mut watcher = Watcher::new(&desk).await;
    let (name, snapshot) = watcher.event().await;
    let windows = snapshot["windows"].as_array().expect("windows");
    assert_eq!((&*name, windows.len()), ("snapshot", 120));
    assert_eq!((&windows[0]["at_unix_ms"], &windows[119]["at_unix_ms"]), (&json!(10), &json!(129)));
    desk.live.publish(&window(130));
    let (name, told) = watcher.event().await;
    assert_eq!(name, "window");
    assert_eq!(
        told,
        json!({
            "at_unix_ms": 130, "interval_ms": 200, "dropped_windows": 0,
            "series": [], "benchmarks": [], "resources": null,
        })
    );
    // The stream has no end of its own, and holds up no end of the server's.
    desk.close().await;
}

#[tokio::test]
async fn who_is_too_slow_is_told_what_it_missed() {
    let desk = Desk::new().await;
    let mut watcher = Watcher::new(&desk).await;
    watcher.event().await;
    // Published in one go: the server's task has no turn in between.
    for at in 0..100 {
        desk.live.publish(&window(at));
    }
    let (_, told) = watcher.event().await;
    assert_eq!((&told["at_unix_ms"], &told["dropped_windows"]), (&json!(36), &json!(36)));
    desk.close().await;
}

#[tokio::test]
async fn only_so_many_watch() {
    let desk = Desk::new().await;
    let mut watchers = Vec::new();
    for _ in 0..64 {
        watchers.push(Watcher::new(&desk).await);
    }
    let refused = desk.get("/api/v1/live").await;
    assert_eq!((refused.status, &refused.json()["hint"]), (503, &json!("close one of them")));
    drop(watchers.pop());
    // The server notices when it next writes.
    while desk.status_of_live().await != *b"HTTP/1.1 200" {
        desk.live.publish(&window(0));
        // So that asking so often is allowed.
        desk.clock.advance(Duration::from_secs(1));
        tokio::task::yield_now().await;
    }
    desk.close().await;
}

impl Desk {
    async fn status_of_live(&self) -> [u8; 12] {
        let request = format!("GET /api/v1/live HTTP/1.1\r\nhost: {}\r\n\r\n", self.address);
        let mut socket = self.send(&request).await;
        let mut status = [0; 12];
        socket.read_exact(&mut status).await.expect("it answers");
        status
    }
}
