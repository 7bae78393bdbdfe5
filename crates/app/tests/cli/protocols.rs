//! HTTP/2, plain and under TLS.

use crate::desk::{Desk, integer, printed};
use crate::fake::{chat, hello};

#[tokio::test(flavor = "multi_thread")]
async fn http2_is_spoken_where_asked_for() {
    let desk = Desk::new();
    for secure in [false, true] {
        let server = chat(hello()).http2();
        let server = if secure { server.tls() } else { server }.start().await;
        if let Some(certificate) = server.certificate_pem() {
            desk.write("ca.pem", certificate);
        }
        let trust = if secure { "--ca-file ca.pem" } else { "" };
        let run = desk.prony(&format!(
            "bench --url {} --http2 --concurrency 3 --num-prompts 6 --output json {trust}",
            server.url()
        ));
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        let summary = printed(&run);
        assert_eq!(integer(&summary["runs"][0]["total_output_tokens"]), 12);
    }
}

#[test]
fn a_server_without_http2_is_told_of() {
    let desk = Desk::new();
    let sim = desk.sim("");
    let run = desk.prony(&format!("bench --url {} --http2 --output-dir never", sim.url));
    assert!(matches!(run.code, Some(20 | 21)), "{}", run.stderr);
    assert!(run.stderr.contains("HTTP/2"), "{}", run.stderr);
    assert!(!desk.path("never").exists());
}
