//! The way to a target, over whichever HTTP its settings name.

use std::sync::Arc;

use bytes::Bytes;
use domain::{Clock, Failure, RequestId, Sink};

use crate::answer::{Exchanged, Expect};
use crate::http1::Http1;
use crate::http2::Http2;
use crate::request::RequestHead;
use crate::target::{HttpVersion, Target, TargetError, Timeouts};
use crate::transport::Connector;

/// One try at a request, as far as it differs from others of its target.
pub(crate) struct Call<'a> {
    /// Sent as `x-request-id`.
    pub(crate) id: Option<RequestId>,
    /// Empty for a GET.
    pub(crate) body: Bytes,
    pub(crate) expect: Expect,
    pub(crate) timeouts: &'a Timeouts,
    pub(crate) clock: &'a dyn Clock,
}

/// The connections to a target.
#[derive(Debug)]
pub(crate) enum Wire {
    Http1(Http1),
    Http2(Http2),
}

impl Wire {
    /// The way for requests that begin as `head` says; `target` was checked.
    pub(crate) fn new(
        target: &Target,
        head: &RequestHead,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, TargetError> {
        let connector = Connector::new(target, clock)?;
        Ok(match target.http {
            HttpVersion::Http1 => Self::Http1(Http1::new(connector, head)),
            HttpVersion::Http2 => Self::Http2(Http2::new(connector, head, target.streams_max)),
        })
    }

    const fn connector(&self) -> &Connector {
        match self {
            Self::Http1(http1) => http1.connector(),
            Self::Http2(http2) => http2.connector(),
        }
    }

    /// Whether every connection so far had the kernel's receive stamps.
    pub(crate) fn is_stamped(&self) -> bool {
        self.connector().is_stamped()
    }

    /// Opens what one more request will need.
    pub(crate) async fn prepare(&self) -> Result<(), Failure> {
        match self {
            Self::Http1(http1) => http1.prepare().await,
            Self::Http2(http2) => http2.prepare().await,
        }
    }

    /// Sends `call` and reads its answer into `sink`.
    pub(crate) async fn exchange(&self, call: &Call<'_>, sink: &mut dyn Sink) -> Exchanged {
        match self {
            Self::Http1(http1) => http1.exchange(call, sink).await,
            // On the heap, so that requests over HTTP/1.1 need not hold room for it.
            Self::Http2(http2) => Box::pin(http2.exchange(call, sink)).await,
        }
    }
}
