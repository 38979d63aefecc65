//! The page's privacy button: the only thing that can be changed over HTTP.

use std::time::Duration;

use axum::{
    body::to_bytes,
    extract::{Request, State},
    http::{HeaderMap, HeaderName, StatusCode, header},
    response::Response,
};
use tokio::time::timeout;

use super::{
    answer::{json, refuse},
    guard::single,
    site::SharedSite,
    view::PrivacyView,
};

/// Only a script of the page itself can send this header: for any other site a browser first sends a CORS
/// preflight, which this server does not approve.
pub const HEADER: HeaderName = HeaderName::from_static("x-affectd");

/// Set by the browser to say where a request comes from.
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Longest body, and how long it may take to arrive.
const MAX_BODY: usize = 16;
const BODY_TIME: Duration = Duration::from_secs(5);

/// `POST /privacy` with the body `ON` or `OFF`. OFF revokes only a command given here.
pub async fn command(State(site): SharedSite, request: Request) -> Response {
    if !is_from_the_page(request.headers()) {
        return refuse(StatusCode::FORBIDDEN, "only the live page may send this");
    }
    let body = match timeout(BODY_TIME, to_bytes(request.into_body(), MAX_BODY)).await {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => return refuse(StatusCode::PAYLOAD_TOO_LARGE, "ON and OFF are allowed"),
        Err(_) => return refuse(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time"),
    };
    let gate = &site.shared.gate;
    let is_done = match &body[..] {
        b"ON" => {
            gate.command_here();
            true
        }
        b"OFF" => gate.revoke_here(),
        _ => return refuse(StatusCode::BAD_REQUEST, "ON and OFF are allowed"),
    };
    if !is_done {
        let reason = "privacy was not turned on from this page: turn it off where it was turned on";
        return refuse(StatusCode::CONFLICT, reason);
    }
    let view = PrivacyView::new(gate);
    tracing::info!(on = view.on, "privacy commanded on the live page");
    json(StatusCode::OK, &view)
}

/// Whether a script of this server's own page sent the request (OWASP's CSRF prevention: a header that forms
/// cannot send, and the origin that browsers add).
pub fn is_from_the_page(headers: &HeaderMap) -> bool {
    let is_own = |origin: &str| {
        let (_, authority) = origin.split_once("://").unwrap_or_default();
        single(headers, &header::HOST).is_some_and(|host| host.eq_ignore_ascii_case(authority))
    };
    let is_same_site = headers
        .get(FETCH_SITE)
        .is_none_or(|site| site.as_bytes() == b"same-origin");
    headers.contains_key(HEADER) && is_same_site && single(headers, &header::ORIGIN).is_some_and(is_own)
}
