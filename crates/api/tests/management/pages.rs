//! The dashboard, as a browser asks for it.

use api::management::key::KeyDigest;
use api::management::{Key, Role};

use super::*;

/// What a browser says of itself when someone enters an address.
const BROWSER: &str = "accept: text/html,application/xhtml+xml,*/*;q=0.8\r\n";

fn locked() -> KeyRing {
    let digest = KeyDigest::of("s3cret");
    KeyRing::new(vec![Key { name: "ci".to_owned(), role: Role::Viewer, digest }])
}

#[tokio::test]
async fn the_dashboard_stands_at_the_root_and_needs_no_key() {
    for keys in [KeyRing::default(), locked()] {
        let desk = Desk::with(keys, None).await;
        let page = desk.call("GET", "/", BROWSER, "").await;
        assert_eq!(page.status, 200);
        assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
        assert_eq!(page.header("cache-control"), Some("no-cache"));
        assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
        let policy = page.header("content-security-policy").expect("a policy");
        assert!(policy.starts_with("default-src 'self'; style-src 'self' 'unsafe-inline'"));
        assert!(policy.ends_with("frame-ancestors 'none'"));
        assert!(page.body.starts_with("<!doctype html>"), "{}", page.body);
        assert_eq!(desk.call("GET", "/index.html", "", "").await.body, page.body);
        desk.close().await;
    }
}

#[tokio::test]
async fn the_page_s_files_may_be_kept_for_ever() {
    let desk = Desk::new().await;
    let page = desk.get("/").await;
    let names = page.body.split('"').filter_map(|part| part.strip_prefix("./assets/"));
    let names: Vec<String> = names.map(|name| format!("/assets/{name}")).collect();
    assert_eq!(names.is_empty(), !dashboard::is_built());
    for name in names {
        let file = desk.get(&name).await;
        assert_eq!(file.status, 200, "{name}");
        assert_eq!(
            file.header("cache-control"),
            Some("public, max-age=31536000, immutable"),
            "{name}"
        );
        assert_eq!(file.header("content-length"), Some(&*file.body.len().to_string()));
    }
    desk.close().await;
}

#[tokio::test]
async fn a_page_that_is_known_is_not_sent_again_nor_is_one_s_head_with_its_body() {
    let desk = Desk::new().await;
    let page = desk.get("/").await;
    let known = format!("if-none-match: {}\r\n", page.header("etag").expect("a tag"));
    let again = desk.call("GET", "/", &known, "").await;
    assert_eq!((again.status, &*again.body), (304, ""));
    let head = desk.call("HEAD", "/", "", "").await;
    assert_eq!((head.status, &*head.body), (200, ""));
    assert_eq!(head.header("content-length"), page.header("content-length"));
    assert_eq!(head.header("etag"), page.header("etag"));
    desk.close().await;
}

#[tokio::test]
async fn an_address_of_a_view_leads_a_browser_there_and_tells_programs_that_nothing_is_there() {
    let desk = Desk::new().await;
    let led = desk.call("GET", "/benchmarks/b1?run=2", BROWSER, "").await;
    assert_eq!(led.status, 303);
    assert_eq!(led.header("location"), Some("../#/benchmarks/b1?run=2"));
    assert_eq!(desk.call("GET", "/benchmarks/b1", "accept: */*\r\n", "").await.status, 404);
    for (method, path) in [
        ("GET", "/api/v1/nothing"),
        ("GET", "/api"),
        ("GET", "/docs/nothing"),
        ("GET", "/health/nothing"),
        ("GET", "/metrics/nothing"),
        ("GET", "/assets/gone.js"),
        ("GET", "/../Cargo.toml"),
        ("GET", "/%2e%2e/Cargo.toml"),
        ("POST", "/"),
        ("DELETE", "/live"),
    ] {
        let answer = desk.call(method, path, BROWSER, "").await;
        assert_eq!(answer.status, 404, "{method} {path}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{path}");
    }
    desk.close().await;
}

#[tokio::test]
async fn a_foreign_name_is_shown_no_page_where_there_are_no_keys() {
    let ask = |address| {
        format!("GET {address} HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n")
    };
    let desk = Desk::new().await;
    for address in ["/", "/live", "/assets/gone.js"] {
        let answer = Answer::read(desk.send(&ask(address)).await).await;
        assert_eq!(answer.status, 403, "{address}");
    }
    desk.close().await;
    let desk = Desk::with(locked(), None).await;
    assert_eq!(Answer::read(desk.send(&ask("/")).await).await.status, 200);
    desk.close().await;
}

#[tokio::test]
async fn pages_count_towards_what_an_address_may_ask() {
    let desk = Desk::with(locked(), None).await;
    for _ in 0..300 {
        assert_eq!(desk.call("HEAD", "/", "", "").await.status, 200);
    }
    assert_eq!(desk.call("HEAD", "/", "", "").await.status, 429);
    let key = "authorization: Bearer s3cret\r\n";
    assert_eq!(
        desk.call("GET", "/api/v1/status", key, "").await.status,
        200,
        "keys have their own"
    );
    desk.close().await;
}
