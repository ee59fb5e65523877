//! Whose certificates are believed.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// TLS 1.2 and 1.3 with servers whose certificates lead to a root that is trusted.
#[derive(Clone)]
pub struct Trust(TlsConnector);

/// Why there is no such trust: one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustError(String);

impl fmt::Display for TrustError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for TrustError {}

impl Trust {
    /// The roots that this system trusts, and those in these files (PEM).
    ///
    /// # Errors
    /// When one of the files has no root in it, or there is no root at all.
    pub fn load(more: &[PathBuf]) -> Result<Self, TrustError> {
        let mut roots = RootCertStore::empty();
        let found = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(found.certs);
        for file in more {
            add(&mut roots, file).map_err(|why| TrustError(format!("{}: {why}", file.display())))?;
        }
        if roots.is_empty() {
            let why = found.errors.first().map_or_else(String::new, |error| format!(" ({error})"));
            return Err(TrustError(format!("this system has no root certificates{why}")));
        }
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| TrustError(error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self(TlsConnector::from(Arc::new(config))))
    }

    pub(super) async fn shake_hands(
        &self,
        name: ServerName<'static>,
        stream: TcpStream,
    ) -> io::Result<TlsStream<TcpStream>> {
        self.0.connect(name, stream).await
    }
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Trust")
    }
}

/// Adds every certificate of a file.
fn add(roots: &mut RootCertStore, file: &Path) -> Result<(), String> {
    let text = std::fs::read(file).map_err(|error| error.to_string())?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let certificates = certificates.map_err(|_| "is damaged PEM".to_owned())?;
    if certificates.is_empty() {
        return Err("has no certificate in it (PEM, BEGIN CERTIFICATE)".to_owned());
    }
    certificates.into_iter().try_for_each(|one| roots.add(one)).map_err(|error| format!("is no root: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_roots_that_has_none_says_so() {
        let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/data");
        assert!(Trust::load(&[data.join("tls/ca.pem"), data.join("tls/other.pem")]).is_ok());
        let directory = tempfile::tempdir().unwrap();
        let odd = directory.path().join("odd.pem");
        std::fs::write(&odd, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
        for (file, why) in [
            (data.join("absent.pem"), "No such file"),
            (data.join("rsa2048_public.pem"), "has no certificate in it"),
            (odd, "is no root"),
        ] {
            let error = Trust::load(&[data.join("tls/ca.pem"), file.clone()]).unwrap_err().to_string();
            assert!(error.starts_with(&format!("{}: ", file.display())) && error.contains(why), "{error}");
        }
    }
}
