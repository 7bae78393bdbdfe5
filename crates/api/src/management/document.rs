//! Every path in its place, the OpenAPI document made from them, and the page to read it.

mod problems;

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::IntoResponse;
use axum::routing::{any, get};
use axum::{Router, middleware};
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderValue};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::extract::BODY_BYTES_MAX;
use super::guard::{self, Guard};
use super::key::Role;
use super::problem::Problem;
use super::{
    App, BASE, alerts, availability, benchmarks, catalogue, contents, live, pages, records,
    resources, rollups, runs, silences, status,
};

/// The page that shows the document to people.
const PAGE: &str = include_str!("reader.html");
/// What the page may do: run what stands in it, and fetch from where it came.
const PAGE_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; \
     script-src 'unsafe-inline'; connect-src 'self'; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'";

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Prony",
        description = "Load-tests large language models, and watches them. Errors are RFC 9457 \
                       problems. A server that listens beyond its own machine asks for a key; its \
                       role is viewer, operator or admin."
    ),
    components(schemas(Problem)),
    modifiers(&Bearer),
    security((), ("key" = [])),
    tags(
        (name = "benchmarks", description = "Load tests: created, followed, read"),
        (name = "catalogue", description = "What benchmarks may name"),
        (name = "history", description = "What was, over any time"),
        (name = "alerts", description = "What is not as it should be, and who is told"),
        (name = "live", description = "What happens now"),
        (name = "server", description = "The server itself"),
    ),
)]
struct Document;

/// How a key is sent.
struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        document.components.get_or_insert_default().add_security_scheme("key", scheme);
    }
}

/// What the API is, by the roles that its paths take.
fn paths() -> OpenApiRouter<App> {
    let for_role = |router: OpenApiRouter<App>, role: Role| {
        router.route_layer(from_fn_with_state(role, guard::require))
    };
    let viewer = OpenApiRouter::new()
        .routes(routes!(benchmarks::list))
        .routes(routes!(benchmarks::get))
        .routes(routes!(benchmarks::results))
        .routes(routes!(runs::timeline))
        .routes(routes!(resources::resources))
        .routes(routes!(runs::distribution))
        .routes(routes!(runs::heatmap))
        .routes(routes!(records::list))
        .routes(routes!(records::get))
        .routes(routes!(catalogue::targets))
        .routes(routes!(catalogue::scenarios))
        .routes(routes!(rollups::rollups))
        .routes(routes!(availability::availability))
        .routes(routes!(alerts::list))
        .routes(routes!(alerts::rules))
        .routes(routes!(silences::list))
        .routes(routes!(live::watch))
        .routes(routes!(status::status));
    let operator = OpenApiRouter::new()
        .routes(routes!(benchmarks::create))
        .routes(routes!(benchmarks::cancel))
        .routes(routes!(benchmarks::delete))
        .routes(routes!(contents::list))
        .routes(routes!(contents::get))
        .routes(routes!(silences::create))
        .routes(routes!(silences::delete));
    for_role(viewer, Role::Viewer).merge(for_role(operator, Role::Operator))
}

/// Everything there is, with `guard` before all but the health check and the API's description, and
/// the dashboard wherever nothing else stands.
pub(super) fn router(guard: Arc<Guard>) -> Router<App> {
    let (guarded, mut document) =
        OpenApiRouter::with_openapi(Document::openapi()).nest(BASE, paths()).split_for_parts();
    problems::declare(&mut document);
    let document = Bytes::from(document.to_json().expect("the document is plain data"));
    let served = move || {
        let document = document.clone();
        async move { ([(CONTENT_TYPE, "application/json")], document) }
    };
    let guarded = guarded
        .route(
            "/metrics",
            get(status::metrics).route_layer(from_fn_with_state(Role::Viewer, guard::require)),
        )
        .method_not_allowed_fallback(guard::wrong_method)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(from_fn_with_state(Arc::clone(&guard), guard::admit));
    let pages = any(pages::page).layer(from_fn_with_state(guard, guard::admit_anyone));
    Router::new()
        .route(&format!("{BASE}/openapi.json"), get(served))
        .route("/docs", get(page))
        .route("/health", get(status::health))
        .method_not_allowed_fallback(guard::wrong_method)
        .merge(guarded)
        .fallback_service(pages)
        .layer(from_fn(cautious))
}

async fn page() -> impl IntoResponse {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(PAGE_POLICY));
    (headers, PAGE)
}

/// Keeps answers out of caches and browsers from guessing what they are.
async fn cautious(
    request: axum::extract::Request,
    next: middleware::Next,
) -> axum::response::Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}
