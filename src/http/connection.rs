//! Serves one connection within time and size limits.

use std::{net::IpAddr, time::Duration};

use axum::{Router, body::Body};
use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    time::timeout,
};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;

use super::{listener::Connection, stalled::Stalled};

/// How long a client may take for the TLS handshake, and for a request head. An idle connection is closed
/// after this time.
const HEAD: Duration = Duration::from_secs(10);

/// How long a client may go without reading any of a response.
const STALL: Duration = Duration::from_secs(10);

/// Maximum size in bytes of a request head, and of a response waiting to be read.
const BUFFER: usize = 16 << 10;

/// How long a refused client may take to read the refusal.
const REFUSAL: Duration = Duration::from_secs(1);

/// The address of a request's sender.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub IpAddr);

/// Serves requests until the client disconnects, idles or exceeds a limit. None of this is logged, because
/// anyone could flood the log with it.
pub async fn serve(stream: Connection, peer: Peer, tls: Option<TlsAcceptor>, router: Router) {
    let stream = Stalled::new(stream, STALL);
    match tls {
        None => serve_plain(stream, peer, router).await,
        Some(acceptor) => {
            if let Ok(Ok(stream)) = timeout(HEAD, acceptor.accept(stream)).await {
                serve_plain(stream, peer, router).await;
            }
        }
    }
}

async fn serve_plain(stream: impl AsyncRead + AsyncWrite + Unpin, peer: Peer, router: Router) {
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        router.clone().oneshot(request.map(Body::new))
    });
    // Errors are the client's and are not logged, see above.
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(BUFFER)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

/// Tells a client that there are too many connections, and waits until it has read that: closing immediately
/// would discard the response.
pub async fn refuse(mut stream: Connection) {
    const ANSWER: &[u8] =
        b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 10\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let answer = async {
        stream.write_all(ANSWER).await?;
        stream.shutdown().await?;
        let mut ignored = [0; 256];
        while stream.read(&mut ignored).await? > 0 {}
        std::io::Result::Ok(())
    };
    // It makes no difference whether it was read.
    let _ = timeout(REFUSAL, answer).await;
}
