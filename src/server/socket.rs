//! The Unix socket beside the store: where commands reach the server that has the file.
//!
//! It is called like the store, with `.sock` added. Only the holder of the store's lock makes and removes it, so what is
//! left in its place by a server that was killed can go. It is never open to others, not even for a moment: it is bound
//! in a directory that only its owner may enter, and moved to its place when its rights are right. And whoever comes is
//! asked for their user by the system.

use std::fs::{self, DirBuilder, Permissions};
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tokio::net::{UnixListener, UnixStream};

use super::listen::{Listen, serve_on};
use super::run::options;
use super::{Current, Handler, Options};
use crate::admin::http::{self as administration, Caller};
use crate::app::reply::Reply;
use crate::app::request::Request;
use crate::base::encode::hex;
use crate::base::random::Random;
use crate::base::secret::Digest;

/// Commands at a time; further ones wait in the system's backlog.
const CONNECTIONS: usize = 64;

/// The longest path that the system takes for a socket (`sun_path`, less the NUL at its end).
const LONGEST_PATH: usize = if cfg!(target_os = "linux") { 107 } else { 103 };

/// The longest name that fits behind a directory in its short spelling.
const LONGEST_NAME: usize = 80;

/// Where the socket of a store is, whichever way the store's path is written.
///
/// # Errors
/// When there is no such store.
pub fn path_of(store: &Path) -> io::Result<PathBuf> {
    let store = store.canonicalize()?;
    let mut name = store.file_name().unwrap_or_default().to_owned();
    name.push(".sock");
    if name.len() > LONGEST_NAME {
        let digest = hex(Digest::of(name.as_bytes()).as_bytes());
        name = format!("{}.sock", digest.get(..32).unwrap_or_default()).into();
    }
    Ok(store.with_file_name(name))
}

/// Connects to a socket.
///
/// # Errors
/// When nobody listens there, or it isn't for us.
pub async fn connect(path: &Path) -> io::Result<UnixStream> {
    if !fs::symlink_metadata(path)?.file_type().is_socket() {
        return Err(io::Error::new(ErrorKind::InvalidInput, "something else has this name"));
    }
    let spelling = Spelling::of(path)?;
    UnixStream::connect(&spelling.path).await
}

/// The user that this process runs as.
///
/// # Errors
/// When the system gives no sockets.
pub fn own_user() -> io::Result<u32> {
    let (one, _other) = UnixStream::pair()?;
    Ok(one.peer_cred()?.uid())
}

/// Whether a user may administer the server of another: they are the same, or the one is root.
pub const fn may_administer(peer: u32, own: u32) -> bool {
    peer == own || peer == 0
}

/// A path that is short enough for the system.
struct Spelling {
    path: PathBuf,
    /// Open as long as the path is used, if that goes by way of it.
    _directory: Option<fs::File>,
}

impl Spelling {
    fn of(path: &Path) -> io::Result<Self> {
        if path.as_os_str().len() <= LONGEST_PATH {
            return Ok(Self { path: path.to_owned(), _directory: None });
        }
        Self::short(path)
    }

    #[cfg(target_os = "linux")]
    fn short(path: &Path) -> io::Result<Self> {
        use std::os::fd::AsRawFd;
        let directory = fs::File::open(path.parent().unwrap_or(Path::new("/")))?;
        let link = format!("/proc/self/fd/{}", directory.as_raw_fd());
        Ok(Self { path: Path::new(&link).join(path.file_name().unwrap_or_default()), _directory: Some(directory) })
    }

    #[cfg(not(target_os = "linux"))]
    fn short(path: &Path) -> io::Result<Self> {
        let why = format!("{} is longer than a socket's path may be ({LONGEST_PATH} bytes)", path.display());
        Err(io::Error::new(ErrorKind::InvalidInput, why))
    }
}

/// A socket that commands come to. It goes when it is dropped.
pub(super) struct Socket {
    listener: UnixListener,
    path: PathBuf,
    /// What stands at the path as long as nobody moves it.
    identity: (u64, u64),
    own_user: u32,
}

impl Socket {
    /// Makes the socket of a store whose lock this process holds.
    pub(super) fn bind(store: &Path) -> io::Result<Self> {
        let path = path_of(store)?;
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        let own_user = own_user()?;
        let listener = bind_at(&path).map_err(named)?;
        let identity = identity(&path).map_err(named)?;
        Ok(Self { listener, path, identity, own_user })
    }

    /// Takes commands until `stop` is ready, then finishes what is under way.
    pub(super) async fn serve(self, current: Current, stop: impl Future<Output = ()>) {
        let general = Options::default();
        let options = Options {
            // The socket has no issuer, no host name, no proxies and no TLS, and nothing is worth breaking a command off.
            mount: general.mount,
            development: general.development,
            trusted_proxies: general.trusted_proxies,
            tls: general.tls,
            head_size: general.head_size,
            stop_deadline: general.stop_deadline,
            connections: CONNECTIONS,
            requests: CONNECTIONS,
            bodies_of_one: CONNECTIONS,
            streams: 1,
            ..options(&current.app())
        };
        serve_on(self, Commands(current), options.into(), stop).await;
    }
}

impl Listen for Socket {
    type Stream = UnixStream;

    async fn accept(&mut self) -> io::Result<(UnixStream, IpAddr)> {
        loop {
            let (stream, _) = self.listener.accept().await?;
            let peer = stream.peer_cred()?.uid();
            if may_administer(peer, self.own_user) {
                return Ok((stream, Ipv4Addr::LOCALHOST.into()));
            }
            tracing::warn!(user = peer, "another user came to the socket for commands, and was refused");
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if identity(&self.path).ok() != Some(self.identity) {
            tracing::warn!(path = %self.path.display(), "the socket for commands was moved away");
            return;
        }
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(%error, path = %self.path.display(), "cannot remove the socket for commands");
        }
    }
}

/// Whoever comes over the socket administers.
struct Commands(Current);

impl Handler for Commands {
    async fn handle(&self, mut request: Request) -> Reply {
        administration::answer(&self.0.app(), &mut request, Caller::Local).await
    }
}

/// Device and number of what stands at a path.
fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let there = fs::symlink_metadata(path)?;
    Ok((there.dev(), there.ino()))
}

/// Binds a socket and puts it in its place, with the right rights from the first moment on.
fn bind_at(path: &Path) -> io::Result<UnixListener> {
    match fs::symlink_metadata(path) {
        Ok(there) if !there.file_type().is_socket() => {
            return Err(io::Error::new(ErrorKind::AlreadyExists, "something else has this name"));
        }
        _ => {}
    }
    // A name that nobody can have waited for with something of theirs.
    let private = path.with_file_name(format!(".hallpass-{}", hex(&Random::System.bytes::<8>())));
    DirBuilder::new().mode(0o700).create(&private)?;
    let draft = private.join("s");
    let bind = || {
        let spelling = Spelling::of(&draft)?;
        let listener = UnixListener::bind(&spelling.path)?;
        fs::set_permissions(&draft, Permissions::from_mode(0o600))?;
        fs::rename(&draft, path)?;
        Ok(listener)
    };
    let bound = bind();
    // The socket is there only where it could not be moved to its place.
    let _ = fs::remove_file(&draft);
    let _ = fs::remove_dir(&private);
    bound
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_user_and_root_may_administer() {
        assert!(may_administer(1000, 1000));
        assert!(may_administer(0, 1000));
        assert!(!may_administer(1001, 1000));
        assert!(!may_administer(1001, 0));
    }

    #[test]
    fn the_socket_is_beside_the_store_whichever_way_that_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().canonicalize().unwrap();
        fs::write(root.join("a.redb"), "").unwrap();
        std::os::unix::fs::symlink("a.redb", root.join("link")).unwrap();
        for name in ["a.redb", "./a.redb", "link"] {
            assert_eq!(path_of(&root.join(name)).unwrap(), root.join("a.redb.sock"), "{name}");
        }
        assert!(path_of(&root.join("b.redb")).is_err());
        let long = root.join("n".repeat(200));
        fs::write(&long, "").unwrap();
        let short = path_of(&long).unwrap();
        assert!(short.parent() == Some(&*root) && short.file_name().unwrap().len() == 37, "{}", short.display());
    }

    #[tokio::test]
    async fn a_socket_is_private_and_takes_the_place_of_a_stale_one_only() {
        let directory = tempfile::tempdir().unwrap();
        let deep = directory.path().canonicalize().unwrap().join("d".repeat(150));
        fs::create_dir(&deep).unwrap();
        let names = || {
            let mut names: Vec<_> = fs::read_dir(&deep).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            names
        };
        let store = deep.join("a.redb");
        fs::write(&store, "").unwrap();
        let path = path_of(&store).unwrap();
        for _ in 0..2 {
            let socket = Socket::bind(&store).unwrap();
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            assert_eq!(names(), ["a.redb", "a.redb.sock"]);
            assert_eq!(connect(&path).await.unwrap().peer_cred().unwrap().uid(), own_user().unwrap());
            // As if it were killed: nobody takes the name away.
            std::mem::forget(socket);
        }
        let socket = Socket::bind(&store).unwrap();
        drop(socket);
        assert_eq!(names(), ["a.redb"]);
        assert!(connect(&path).await.is_err());
        fs::write(&path, "precious").unwrap();
        assert_eq!(Socket::bind(&store).err().unwrap().kind(), ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    }
}
