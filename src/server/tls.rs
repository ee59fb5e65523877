//! TLS on the listeners: the certificate and its key, and how they are renewed while the server runs.

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval};
use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert, ServerConfig};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{Error, InconsistentKeys, version};
use tokio_rustls::{Accept, TlsAcceptor};
use zeroize::Zeroizing;

use crate::settings;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(2);

/// What clients may speak (RFC 7301), the best first.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// TLS 1.2 and 1.3 (RFC 5246, RFC 8446) for connections that come in. New ones get the certificate that is in the files by
/// then; those that are there keep theirs.
pub struct Tls {
    files: Files,
    current: Arc<Current>,
    acceptor: TlsAcceptor,
    /// The files as they were when they were read last, usable or not.
    seen: Mutex<Seen>,
}

/// Why a certificate and its key can't be used: one line that names the setting and the file, and holds nothing of the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsError(String);

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for TlsError {}

impl From<TlsError> for io::Error {
    fn from(error: TlsError) -> Self {
        Self::new(io::ErrorKind::InvalidData, error)
    }
}

impl Tls {
    /// With the certificate and the key that the settings name; `None` where they name none.
    ///
    /// # Errors
    /// When they can't be read or used, or don't belong together.
    pub fn load(settings: &settings::Tls) -> Result<Option<Arc<Self>>, TlsError> {
        // The settings hold both or none.
        let (Some(cert), Some(key)) = (&settings.cert, &settings.key) else { return Ok(None) };
        let files = Files { cert: cert.clone(), key: key.clone() };
        let provider = Arc::new(aws_lc_rs::default_provider());
        let seen = files.look();
        let current = Arc::new(Current(ArcSwap::from_pointee(files.read(&provider)?)));
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&version::TLS13, &version::TLS12])
            .map_err(|error| TlsError(format!("TLS can't be used: {error}")))?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&current) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Ok(Some(Arc::new(Self { files, current, acceptor, seen: Mutex::new(seen) })))
    }

    /// Takes up what is in the files, in place of what was there before, and says so. What can't be used changes nothing,
    /// and a warning says why. Reads the files: not for a reactor's thread.
    pub fn reload(&self) {
        self.take_up(self.files.look());
    }

    /// The same if the files have changed since they were read last.
    fn reload_if_changed(&self) {
        let now = self.files.look();
        let changed = *self.seen.lock().unwrap_or_else(PoisonError::into_inner) != now;
        if changed {
            self.take_up(now);
        }
    }

    /// Reads the files. `seen` is from before that, so that a change meanwhile is noticed later.
    fn take_up(&self, seen: Seen) {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = seen;
        match self.files.read(self.acceptor.config().crypto_provider()) {
            Ok(renewed) => {
                self.current.0.store(Arc::new(renewed));
                tracing::info!(cert = %self.files.cert.display(), "new connections get the certificate that is there now");
            }
            Err(error) => tracing::warn!(%error, "the certificate is not renewed: the one from before stays in use"),
        }
    }

    /// Looks at the files from time to time. Never ends.
    pub(super) async fn watch(self: Arc<Self>) {
        let mut tick = interval(LOOK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            let tls = Arc::clone(&self);
            // It can't fail but by a panic, which then is in the log.
            let _ = spawn_blocking(move || tls.reload_if_changed()).await;
        }
    }

    /// Shakes hands with a client.
    pub(super) fn accept<I>(&self, io: I) -> Accept<I>
    where
        I: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    {
        self.acceptor.accept(io)
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("files", &self.files).finish_non_exhaustive()
    }
}

/// What is given to whoever connects now.
struct Current(ArcSwap<CertifiedKey>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

impl fmt::Debug for Current {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Current")
    }
}

/// Where the certificate and its key are.
#[derive(Clone, Debug)]
struct Files {
    cert: PathBuf,
    key: PathBuf,
}

/// By what a change of each file shows, whichever way it was replaced: device, number, size, and time of its last change.
type Seen = [Option<(u64, u64, u64, i64, i64)>; 2];

impl Files {
    fn look(&self) -> Seen {
        [&self.cert, &self.key].map(|path| {
            let there = fs::metadata(path).ok()?;
            Some((there.dev(), there.ino(), there.size(), there.mtime(), there.mtime_nsec()))
        })
    }

    fn read(&self, provider: &CryptoProvider) -> Result<CertifiedKey, TlsError> {
        let wrong = |setting: &str, path: &Path, why: &str| TlsError(format!("{setting} {}: {why}", path.display()));
        let read = |setting, path| fs::read(path).map_err(|error| wrong(setting, path, &error.to_string()));
        let cert = |why: &str| wrong("tls.cert", &self.cert, why);
        let key = |why: &str| wrong("tls.key", &self.key, why);

        let text = read("tls.cert", &self.cert)?;
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
        let chain = chain.map_err(|_| cert("is damaged PEM"))?;
        if chain.is_empty() {
            return Err(cert("has no certificate in it (PEM, BEGIN CERTIFICATE)"));
        }
        let text = Zeroizing::new(read("tls.key", &self.key)?);
        // Why it can't be read may quote it.
        let private = PrivateKeyDer::from_pem_slice(&text)
            .map_err(|_| key("has no private key in it (PEM, BEGIN PRIVATE KEY, not encrypted)"))?;
        let private = provider.key_provider.load_private_key(private).map_err(|_| {
            key("its private key is damaged or of no kind for TLS (RSA from 2048 bits, P-256, P-384, P-521, Ed25519)")
        })?;
        let pair = CertifiedKey::new(chain, private);
        match pair.keys_match() {
            Ok(()) => Ok(pair),
            Err(Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
                let other = format!("is not the key of the first certificate in tls.cert {}", self.cert.display());
                Err(key(&other))
            }
            Err(_) => Err(cert("its first certificate is damaged")),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::settings::{Settings, Sources};

    /// The pairs of the tests.
    pub(in crate::server) const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/data/tls");

    pub(in crate::server) fn load(cert: &Path, key: &Path) -> Result<Arc<Tls>, TlsError> {
        let [cert, key] = [cert, key].map(|path| path.to_str().unwrap());
        let settings = Settings::load(&Sources::default().set("tls.cert", cert).set("tls.key", key)).unwrap();
        Tls::load(&settings.tls).map(Option::unwrap)
    }

    fn data(name: &str) -> PathBuf {
        Path::new(DATA).join(name)
    }

    #[test]
    fn a_pair_that_cannot_be_used_says_which_file_and_why() {
        let directory = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = directory.path().join(name);
            fs::write(&path, text).unwrap();
            path
        };
        let (cert, key) = (data("localhost.pem"), data("localhost.key"));
        let pem = fs::read_to_string(&key).unwrap();
        let inside = pem.lines().nth(1).and_then(|line| line.get(..16)).unwrap();
        let certificate = fs::read_to_string(&cert).unwrap();
        let absent = directory.path().join("absent");
        let encrypted = Path::new(DATA).with_file_name("rsa2048_encrypted.pem");
        for (cert, key, named, why) in [
            (&absent, &key, "tls.cert", "No such file"),
            (&cert, &absent, "tls.key", "No such file"),
            (&key, &key, "tls.cert", "no certificate in it"),
            (&cert, &cert, "tls.key", "no private key in it"),
            (&cert, &encrypted, "tls.key", "not encrypted"),
            (&cert, &data("other.key"), "tls.key", "is not the key of the first certificate in tls.cert"),
            (&file("cut.pem", certificate.get(..200).unwrap()), &key, "tls.cert", "damaged PEM"),
            (&cert, &file("cut.key", pem.get(..150).unwrap()), "tls.key", "no private key in it"),
            (&cert, &file("odd.key", &pem.replace("BEGIN PRIVATE", "BEGIN RSA PRIVATE")), "tls.key", "no private key"),
            (&cert, &file("bad.key", &pem.replace(inside, "AAAAAAAAAAAAAAAA")), "tls.key", "damaged or of no kind"),
            (&file("bad.pem", &certificate.replace("MII", "AAA")), &key, "tls.cert", "damaged"),
        ] {
            let error = load(cert, key).unwrap_err().to_string();
            assert!(error.starts_with(&format!("{named} /")) && error.contains(why), "{error}");
            assert!(!error.contains('\n') && !error.contains(inside), "{error}");
        }
        assert!(!format!("{:?}", load(&cert, &key).unwrap()).contains(inside));
    }

    #[test]
    fn changed_files_are_taken_up_and_a_bad_pair_keeps_the_one_before() {
        let directory = tempfile::tempdir().unwrap();
        let [cert, key] = ["cert.pem", "key.pem"].map(|name| directory.path().join(name));
        let put = |name: &str| {
            for (file, ending) in [(&cert, "pem"), (&key, "key")] {
                // As renewal does it: a new file in the place of the old one.
                let draft = directory.path().join("draft");
                fs::copy(data(&format!("{name}.{ending}")), &draft).unwrap();
                fs::rename(&draft, file).unwrap();
            }
        };
        let der = |name: &str| CertificateDer::from_pem_file(data(name)).unwrap();
        let (first, second) = (der("localhost.pem"), der("other.pem"));
        put("localhost");
        let tls = load(&cert, &key).unwrap();
        let shown = || tls.current.0.load().cert[0].clone();
        assert_eq!(shown(), first);
        tls.reload_if_changed();
        assert_eq!(shown(), first);
        put("other");
        tls.reload_if_changed();
        assert_eq!(shown(), second);
        // Half of a renewal.
        fs::copy(data("localhost.pem"), &cert).unwrap();
        tls.reload_if_changed();
        assert_eq!(shown(), second);
        fs::remove_file(&key).unwrap();
        tls.reload_if_changed();
        tls.reload();
        assert_eq!(shown(), second);
        fs::copy(data("localhost.key"), &key).unwrap();
        tls.reload_if_changed();
        assert_eq!(shown(), first, "the other half");
    }
}
