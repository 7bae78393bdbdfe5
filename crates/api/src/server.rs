//! The server of models: where it listens, and what it serves.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use domain::Clock;
use hyper::service::service_fn;
use tokio::net::TcpListener;

use crate::accept::{Stopped, accept, speak};
use crate::front::{Front, Served};

/// Why the server could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Address {
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// There is nothing to serve.
    #[error("there is no model to serve")]
    NoModel,
    /// Two models would answer to the same name.
    #[error("two models are called {0:?}")]
    SameName(String),
}

/// A server of models.
///
/// | path | answers |
/// |---|---|
/// | `POST /v1/chat/completions`, `POST /v1/completions` | in OpenAI's form |
/// | `POST /v1/messages` | in Anthropic's form |
/// | `GET /v1/models`, `GET /v1/models/{id}` | the models, readable by either package |
/// | `GET /health` | 200 as long as it serves |
/// | `GET /metrics` | text exposition |
///
/// A request's `x-request-id` is echoed, or made where it has none.
#[derive(Debug)]
pub struct ModelServer {
    listener: TcpListener,
    address: SocketAddr,
    front: Arc<Front>,
}

impl ModelServer {
    /// Listens on `address` (port 0 takes a free one) to serve `models`. `metrics` appends the
    /// exposition that `/metrics` answers with.
    ///
    /// # Errors
    /// Where the address cannot be listened on, or the models have no names to tell them apart.
    pub async fn bind(
        address: SocketAddr,
        models: Vec<Served>,
        metrics: impl Fn(&mut String) + Send + Sync + 'static,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, BindError> {
        if models.is_empty() {
            return Err(BindError::NoModel);
        }
        for (index, served) in models.iter().enumerate() {
            if models[..index].iter().any(|other| other.id == served.id) {
                return Err(BindError::SameName(served.id.clone()));
            }
        }
        let refused = |source| BindError::Address { address, source };
        let listener = TcpListener::bind(address).await.map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        let front = Arc::new(Front::new(models, Box::new(metrics), clock));
        Ok(Self { listener, address, front })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop` is done, then closes the listener, lets answers under way end for at
    /// most `grace`, and cuts off the rest. Dropping the future cuts off everything at once.
    pub async fn run(self, stop: impl Future<Output = ()>, grace: Duration) -> Stopped {
        let Self { listener, front, .. } = self;
        accept(listener, usize::MAX, stop, grace, |socket, _, closing| {
            let front = Arc::clone(&front);
            async move {
                let service = service_fn(|request| async {
                    Ok::<_, Infallible>(front.respond(request).await)
                });
                speak(socket, service, closing).await;
            }
        })
        .await
    }
}
