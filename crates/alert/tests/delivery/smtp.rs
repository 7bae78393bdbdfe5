//! E-mail, plain and over both kinds of TLS.

use alert::DeliveryError;
use alert::notify::Surroundings;

use crate::fake_smtp::{FakeSmtp, Manner, Refusal};
use crate::{START, message, receiver};

async fn send(server: &FakeSmtp, encryption: &str, is_trusted: bool) -> Result<(), DeliveryError> {
    let mut settings = format!(
        "name = 'ops'\nkind = 'email'\nserver = '{}'\nencryption = '{encryption}'\n\
         from = 'Prony <prony@example.com>'\nto = ['a@example.com', 'Bö <b@example.com>']\n",
        server.address
    );
    if encryption != "none" {
        settings.push_str("username = 'prony'\npassword = { env = 'hunter2hunter2' }\n");
    }
    let pem = is_trusted.then(|| server.certificate_pem.clone().into_bytes());
    let surroundings = Surroundings::new(pem, Some("https://prony.example".into()));
    let surroundings = surroundings.expect("it is sound");
    receiver(&settings).channel.deliver(&message(), &surroundings, START).await
}

#[tokio::test]
async fn a_mail_is_whole() {
    let server = FakeSmtp::start(Manner::Plain, None).await;
    send(&server, "none", false).await.expect("it is taken");
    insta::assert_snapshot!(server.heard().join("\n"));
}

#[tokio::test]
async fn both_kinds_of_tls_are_spoken_before_the_password_is() {
    let login = "AUTH PLAIN AHByb255AGh1bnRlcjJodW50ZXIy";
    for (manner, encryption) in [(Manner::StartTls, "starttls"), (Manner::Tls, "tls")] {
        let server = FakeSmtp::start(manner, None).await;
        send(&server, encryption, true).await.expect("it is taken");
        let heard = server.heard();
        let at = |line: &str| heard.iter().position(|heard| heard == line);
        assert!(at(login).is_some(), "{heard:?}");
        if manner == Manner::StartTls {
            assert!(at("STARTTLS") < at(login), "{heard:?}");
        }

        let untrusted = send(&server, encryption, false).await.expect_err("nobody signed it");
        assert!(untrusted.message.contains("certificate"), "{untrusted}");
    }
}

#[tokio::test]
async fn what_went_wrong_is_said_without_the_password() {
    let refusals: [(&str, Refusal, &str); 3] = [
        ("tls", Some(("AUTH", "535 no hunter2hunter2 here")), "535"),
        ("tls", Some(("RCPT", "550 no such user")), "no such user"),
        // It offers no STARTTLS, and nothing is said in the open.
        ("starttls", None, "STARTTLS"),
    ];
    for (encryption, refusal, said) in refusals {
        let manner = if encryption == "tls" { Manner::Tls } else { Manner::Plain };
        let server = FakeSmtp::start(manner, refusal).await;
        let error = send(&server, encryption, true).await.expect_err(said);
        assert!(error.message.contains(said), "{error}");
        assert!(!error.message.contains("hunter2"), "{error}");
        assert!(error.message.starts_with(&server.address.to_string()), "{error}");
    }
}
