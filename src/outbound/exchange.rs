//! One request over a connection, and its answer.

use std::error::Error;
use std::pin::pin;

use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::body::Body;
use hyper::client::conn::http1;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

/// The longest head of an answer, in bytes.
pub(super) const MAX_HEAD: usize = 64 * 1024;

/// Sends a request over a connection of its own, in HTTP/1.1, and takes in the whole answer, with a body of `most` bytes or
/// less. Who drops it closes the connection. Takes as long as the other side does.
///
/// # Errors
/// Why there is no answer; a [`LengthLimitError`](http_body_util::LengthLimitError) when it is longer.
pub async fn exchange<I, B>(
    io: I,
    request: Request<B>,
    most: usize,
) -> Result<Response<Bytes>, Box<dyn Error + Send + Sync>>
where
    I: AsyncRead + AsyncWrite + Unpin,
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + 'static,
{
    let (mut sender, connection) = http1::Builder::new().max_buf_size(MAX_HEAD).handshake(TokioIo::new(io)).await?;
    let answer = async {
        let (head, body) = sender.send_request(request).await?.into_parts();
        Ok(Response::from_parts(head, Limited::new(body, most).collect().await?.to_bytes()))
    };
    let (mut answer, connection) = (pin!(answer), pin!(connection));
    tokio::select! {
        biased;
        answer = &mut answer => answer,
        // What came before its end is there all the same.
        _ = connection => answer.await,
    }
}
