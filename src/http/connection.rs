//! One connection, within limits of time and size.

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

/// How long a client may take for TLS's handshake, and for the head of a request. An idle connection is closed
/// after this time.
const HEAD: Duration = Duration::from_secs(10);

/// How long a client may read nothing of an answer.
const STALL: Duration = Duration::from_secs(10);

/// Most bytes of a request's head, and of an answer that waits to be read.
const BUFFER: usize = 16 << 10;

/// How long a refused client may take to read why.
const REFUSAL: Duration = Duration::from_secs(1);

/// The address of a request's sender.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub IpAddr);

/// Serves requests until the client leaves, idles or breaks a rule. Nothing of that is worth a line in the log:
/// anybody could fill it.
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
    // An error is the client's, see above.
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(BUFFER)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

/// Tells a client that there are too many, and waits until it has read that: closing at once would discard it.
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
    // Whether it was read makes no difference.
    let _ = timeout(REFUSAL, answer).await;
}
