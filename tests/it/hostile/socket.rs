//! Bytes as they are, over a connection of their own.

use hyper::body::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A connection to a server.
pub struct Socket(TcpStream);

impl Socket {
    /// Connects to whoever serves this issuer.
    pub async fn open(issuer: &str) -> Self {
        Self(TcpStream::connect(issuer.strip_prefix("http://").unwrap()).await.unwrap())
    }

    /// Sends as much as the server takes; says whether that was all.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.0.write_all(bytes.as_ref()).await.is_ok()
    }

    /// Says that no more will come.
    pub async fn close(&mut self) {
        let _ = self.0.shutdown().await;
    }

    /// Reads as much as this text has, which must be it.
    pub async fn expect(&mut self, text: &str) {
        let mut received = vec![0; text.len()];
        self.0.read_exact(&mut received).await.unwrap();
        assert_eq!(String::from_utf8_lossy(&received), text);
    }

    /// What comes until the server closes; what came before a reset counts.
    pub async fn rest(&mut self) -> Bytes {
        let mut received = Vec::new();
        let _ = self.0.read_to_end(&mut received).await;
        received.into()
    }

    /// The same as text, as far as it is some: to HTTP/2 frames are answered.
    pub async fn text(&mut self) -> String {
        String::from_utf8_lossy(&self.rest().await).into_owned()
    }
}

/// The status of an answer in HTTP/1.1; `None` where there is none.
pub fn status(answer: &str) -> Option<u16> {
    answer.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()
}

/// Sends this and nothing more, and keeps the connection open: what comes until the server closes it.
pub async fn exchange(issuer: &str, bytes: impl AsRef<[u8]>) -> String {
    let mut socket = Socket::open(issuer).await;
    socket.send(bytes).await;
    socket.text().await
}
