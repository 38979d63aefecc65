//! The routes of the aiming page: the live page, protected by the code, and the camera's picture.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse as _, Response},
    routing::get,
};
use serde::Serialize;
use tokio::time::timeout;

use super::{
    Aim, jpeg,
    session::Refusal,
    view::{AimView, OpenedView},
};
use crate::http::{
    answer::{json, refuse},
    guard::guard,
    page,
    privacy::is_from_the_page,
    routes,
    site::Site,
};

/// The path to which the code is posted.
const CODE: &str = "/aim";

/// The cookie that keeps the token in the browser; scripts cannot read it.
const COOKIE: &str = "affectd-aim";

/// Maximum size of a body in bytes, and how long it may take to arrive.
const MAX_BODY: usize = 64;
const BODY_TIME: Duration = Duration::from_secs(5);

/// How long a request waits for the next picture.
const PICTURE_TIME: Duration = Duration::from_secs(2);

/// Every route of the page, which shows `site`.
pub fn router(site: Arc<Site>, aim: Arc<Aim>) -> Router {
    let own = Router::new()
        .route(CODE, get(state).post(redeem))
        .route("/aim/picture", get(picture))
        .with_state(Arc::clone(&aim));
    routes::paths()
        .with_state(Arc::clone(&site))
        .merge(own)
        .fallback(routes::not_found)
        .layer(middleware::from_fn_with_state(aim, entered))
        .layer(middleware::from_fn_with_state(site, guard))
}

/// Lets anyone load the page's files, but requires the token for everything that it shows.
async fn entered(State(aim): State<Arc<Aim>>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let is_open = path == CODE || page::is_file(path);
    if is_open || aim.time_left(cookie(request.headers())).is_some() {
        next.run(request).await
    } else {
        refuse(StatusCode::FORBIDDEN, "the code of `affectd aim` is needed")
    }
}

/// `GET /aim`: whether the code was entered here.
async fn state(State(aim): State<Arc<Aim>>, headers: HeaderMap) -> Response {
    let left = aim.time_left(cookie(&headers));
    answer(&AimView {
        needs_code: true,
        opened: left.map(|left| aim.opened(left)),
    })
}

/// `POST /aim` with the code as its body: exchanges it for the token.
async fn redeem(State(aim): State<Arc<Aim>>, request: Request) -> Response {
    if !is_from_the_page(request.headers()) {
        return refuse(StatusCode::FORBIDDEN, "only the page may send this");
    }
    let body = match timeout(BODY_TIME, to_bytes(request.into_body(), MAX_BODY)).await {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => return refuse(StatusCode::PAYLOAD_TOO_LARGE, "a code is shorter"),
        Err(_) => return refuse(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time"),
    };
    match aim.redeem(&String::from_utf8_lossy(&body)) {
        Ok((token, left)) => {
            let cookie = format!(
                "{COOKIE}={}; HttpOnly; SameSite=Strict; Path=/; Max-Age={}",
                token.expose(),
                left.as_secs()
            );
            let mut response = answer(&aim.opened(left));
            if let Ok(cookie) = HeaderValue::from_str(&cookie) {
                response.headers_mut().insert(header::SET_COOKIE, cookie);
            }
            response
        }
        Err(Refusal::Invalid) => refuse(StatusCode::FORBIDDEN, "the code is not valid"),
        Err(Refusal::TooSoon) => refuse(StatusCode::TOO_MANY_REQUESTS, "wait a second after a try"),
    }
}

/// `GET /aim/picture`: the next picture as JPEG, or 204 No Content if there is none.
async fn picture(State(aim): State<Arc<Aim>>) -> Response {
    let none = || StatusCode::NO_CONTENT.into_response();
    let Some(receiver) = aim.preview.request(aim.shared.clock.now()) else {
        return none();
    };
    let Ok(Ok(snapshot)) = timeout(PICTURE_TIME, receiver).await else {
        return none();
    };
    let Some(bytes) = jpeg::encode(&snapshot) else {
        return none();
    };
    let body = Body::from(Bytes::from_owner(bytes));
    ([(header::CONTENT_TYPE, "image/jpeg")], body).into_response()
}

impl Aim {
    fn opened(&self, left: Duration) -> OpenedView {
        OpenedView {
            preview: self.preview.is_open(self.shared.clock.now()),
            seconds_left: left.as_secs_f32(),
        }
    }
}

fn answer(view: &impl Serialize) -> Response {
    json(StatusCode::OK, view)
}

/// The token in the browser's cookie; empty if there is none.
fn cookie(headers: &HeaderMap) -> &str {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(name, value)| (name == COOKIE).then_some(value))
        .unwrap_or_default()
}
