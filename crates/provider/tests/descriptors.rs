//! A client that runs out of file descriptors says so. A process of its own, since it takes them
//! from every other test that runs in it.

use std::net::UdpSocket;
use std::os::fd::AsRawFd as _;
use std::sync::Arc;

use domain::{FailureKind, Model as _, SystemClock, WireFormat};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use provider::{BaseUrl, Provider, Target};

#[tokio::test]
async fn running_out_of_file_descriptors_is_the_clients_own_failure() {
    let url = format!("http://{}", testkit::server::unused_address());
    let url = BaseUrl::parse(&url).expect("a URL");
    let target = Target::new(url, WireFormat::OpenAiChat);
    let provider = Provider::new(target, Arc::new(SystemClock)).expect("it can be used");

    let next = UdpSocket::bind("127.0.0.1:0").expect("one more fits").as_raw_fd();
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("there is a limit");
    let no_more = u64::try_from(next).expect("descriptors count from zero");
    setrlimit(Resource::RLIMIT_NOFILE, no_more, hard).expect("it may be lowered");

    let failure = provider.prepare().await.expect_err("no socket can be opened");
    assert_eq!(failure.kind, FailureKind::ClientResources, "{failure}");
    assert!(failure.message.contains("too many open files"), "{failure}");
}
