//! The checks that every request must pass, and the headers of every response.

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    middleware::Next,
    response::Response,
};

use super::{
    answer::refuse,
    connection::Peer,
    site::{SharedSite, Site},
    token::Access,
};

/// Headers of every response. The page loads only resources from this server, must not be embedded, and is
/// not cached.
const HEADERS: [(HeaderName, &str); 8] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(), microphone=(), geolocation=()",
    ),
];

/// Answers only requests that name this server and, if a token is configured, carry it.
pub async fn guard(State(site): SharedSite, request: Request, next: Next) -> Response {
    let mut response = match refusal(&site, &request) {
        Some(refusal) => refusal,
        None => next.run(request).await,
    };
    for (name, value) in HEADERS {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}

fn refusal(site: &Site, request: &Request) -> Option<Response> {
    let headers = request.headers();
    // The absolute form of a target, as sent to a proxy, may name a different host than the header.
    if request.uri().authority().is_some() {
        return Some(refuse(
            StatusCode::BAD_REQUEST,
            "the request's target is not a path",
        ));
    }
    let Some(host) = single(headers, &header::HOST) else {
        return Some(refuse(StatusCode::BAD_REQUEST, "one header Host is needed"));
    };
    if !site.hosts.allows(host) {
        let reason = "this server has another name; use its address, localhost, or a name of its certificate";
        return Some(refuse(StatusCode::MISDIRECTED_REQUEST, reason));
    }
    let token = site.token.as_ref()?;
    let peer = request.extensions().get::<Peer>()?;
    let header = headers.get(header::AUTHORIZATION).map(HeaderValue::as_bytes);
    match token.check(peer.0, header, site.shared.clock.now()) {
        Access::Granted => None,
        Access::Denied => {
            let mut response = refuse(StatusCode::UNAUTHORIZED, "the token is missing or wrong");
            let challenge = HeaderValue::from_static("Basic realm=\"affectd\", charset=\"UTF-8\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
            Some(response)
        }
        Access::TooSoon => {
            let mut response = refuse(StatusCode::TOO_MANY_REQUESTS, "wait a second after a wrong token");
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            Some(response)
        }
    }
}

/// The value of a header that must occur exactly once.
pub fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}
