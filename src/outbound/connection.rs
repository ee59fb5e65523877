//! Connections to others.

use std::io;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, ToSocketAddrs};
use tokio_rustls::rustls::pki_types::ServerName;

use super::trust::Trust;

/// A stream, encrypted or not.
pub trait Connection: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Connection for T {}

/// Connects to the first of these addresses that takes it. With `trust` it speaks TLS, and the certificate must be that of
/// `host`: a name, or an IP address without brackets. Takes as long as the system lets it.
///
/// # Errors
/// When nobody takes it, or whoever does isn't `host`.
pub async fn connect(
    addresses: impl ToSocketAddrs,
    host: &str,
    trust: Option<&Trust>,
) -> io::Result<Box<dyn Connection>> {
    let stream = TcpStream::connect(addresses).await?;
    stream.set_nodelay(true)?;
    let Some(trust) = trust else { return Ok(Box::new(stream)) };
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    Ok(Box::new(trust.shake_hands(name, stream).await?))
}
