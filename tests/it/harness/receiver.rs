//! A receiver of webhooks, which means well or doesn't.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hallpass::jose::mac::MacKey;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::header::{CONNECTION, CONTENT_TYPE, HeaderMap, LOCATION};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use url::Url;

use super::tls::{certificate, file};

/// The secret that receivers of the tests share with their senders.
pub const WEBHOOK_SECRET: &str = "whsec_c2VjcmV0cyBvZiB3ZWJob29rcyBpbiB0ZXN0cw==";

/// A message as it came.
#[derive(Clone, Debug)]
pub struct Heard {
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Heard {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }

    /// Whether it is signed with [`WEBHOOK_SECRET`], as a receiver finds out.
    pub fn is_signed(&self) -> bool {
        let key = STANDARD.decode(WEBHOOK_SECRET.strip_prefix("whsec_").unwrap()).unwrap();
        let signed = format!("{}.{}.", self.header("webhook-id"), self.header("webhook-timestamp"));
        let signed = [signed.as_bytes(), &self.body].concat();
        let signatures = self.header("webhook-signature").split(' ');
        signatures.filter_map(|one| STANDARD.decode(one.strip_prefix("v1,")?).ok()).any(|tag| {
            // Written once more beside the program's own.
            MacKey::new(&key).verify(&signed, &tag)
        })
    }
}

/// What a receiver answers.
#[derive(Clone, Debug)]
pub enum Say {
    /// A status and nothing else.
    Empty(u16),
    /// JSON with the status 200.
    Json(Value),
    /// A status, a media type and a body.
    Text(u16, &'static str, &'static str),
    /// 302.
    Redirect(String),
    /// A gigabyte, announced or not.
    Gigabyte(bool),
    /// Nothing, ever.
    Nothing,
    /// 204, and that it hangs up.
    HangUp,
}

type Answers = dyn Fn(&Heard) -> Say + Send + Sync;

/// A server on a port of its own.
pub struct Receiver {
    pub address: SocketAddr,
    heard: Arc<Mutex<Vec<Heard>>>,
    connections: Arc<AtomicUsize>,
    /// Bytes of gigabytes that it got rid of.
    pub poured: Arc<AtomicUsize>,
}

impl Receiver {
    /// One that speaks http.
    pub async fn start(answers: impl Fn(&Heard) -> Say + Send + Sync + 'static) -> Self {
        Self::listen(Arc::new(answers), None).await
    }

    /// One that always says the same.
    pub async fn saying(say: Say) -> Self {
        Self::start(move |_| say.clone()).await
    }

    /// One that speaks TLS with this certificate of the tests.
    pub async fn encrypted(name: &str, say: Say) -> Self {
        let key = PrivateKeyDer::from_pem_file(file(&format!("{name}.key"))).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate(&format!("{name}.pem"))], key)
            .unwrap();
        Self::listen(Arc::new(move |_: &Heard| say.clone()), Some(TlsAcceptor::from(Arc::new(config)))).await
    }

    async fn listen(answers: Arc<Answers>, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (heard, connections) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicUsize::new(0)));
        let receiver = Self {
            address,
            heard: Arc::clone(&heard),
            connections: Arc::clone(&connections),
            poured: Arc::new(AtomicUsize::new(0)),
        };
        let poured = Arc::clone(&receiver.poured);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::SeqCst);
                let (answers, heard, poured) = (Arc::clone(&answers), Arc::clone(&heard), Arc::clone(&poured));
                let tls = tls.clone();
                tokio::spawn(async move {
                    match tls {
                        None => serve(stream, answers, heard, poured).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, answers, heard, poured).await;
                            }
                        }
                    }
                });
            }
        });
        receiver
    }

    /// Where it is, as `127.0.0.1`.
    pub fn url(&self) -> Url {
        self.url_at("http://127.0.0.1")
    }

    pub fn url_at(&self, origin: &str) -> Url {
        Url::parse(&format!("{origin}:{}/hook?of=tests", self.address.port())).unwrap()
    }

    pub fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap().clone()
    }

    /// What it has heard since the last look.
    pub fn take(&self) -> Vec<Heard> {
        std::mem::take(&mut self.heard.lock().unwrap())
    }

    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    answers: Arc<Answers>,
    heard: Arc<Mutex<Vec<Heard>>>,
    poured: Arc<AtomicUsize>,
) {
    let service = service_fn(|request: Request<Incoming>| {
        let (answers, heard, poured) = (Arc::clone(&answers), Arc::clone(&heard), Arc::clone(&poured));
        async move {
            let (head, body) = request.into_parts();
            let message = Heard { headers: head.headers, body: body.collect().await.unwrap().to_bytes() };
            let say = answers(&message);
            heard.lock().unwrap().push(message);
            Ok::<_, Infallible>(answer(say, poured).await)
        }
    });
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(say: Say, poured: Arc<AtomicUsize>) -> Response<BoxBody<Bytes, Infallible>> {
    let empty = || Empty::new().boxed();
    let text = |text: String| Full::new(Bytes::from(text)).boxed();
    let response = Response::builder();
    match say {
        Say::Empty(status) => response.status(status).body(empty()),
        Say::Json(value) => response.header(CONTENT_TYPE, "application/json").body(text(value.to_string())),
        Say::Text(status, kind, body) => response.status(status).header(CONTENT_TYPE, kind).body(text(body.to_owned())),
        Say::Redirect(to) => response.status(302).header(LOCATION, to).body(empty()),
        Say::Gigabyte(announced) => {
            response.header(CONTENT_TYPE, "application/json").body(Gigabyte { announced, poured }.boxed())
        }
        Say::Nothing => std::future::pending().await,
        Say::HangUp => response.status(204).header(CONNECTION, "close").body(empty()),
    }
    .unwrap()
}

/// A gigabyte of spaces, which is how some JSON begins.
struct Gigabyte {
    announced: bool,
    poured: Arc<AtomicUsize>,
}

const GIGABYTE: usize = 1_000_000_000;

impl Body for Gigabyte {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        static SPACES: [u8; 10_000] = [b' '; 10_000];
        let before = self.poured.fetch_add(SPACES.len(), Ordering::SeqCst);
        Poll::Ready((before < GIGABYTE).then(|| Ok(Frame::data(Bytes::from_static(&SPACES)))))
    }

    fn size_hint(&self) -> SizeHint {
        if self.announced { SizeHint::with_exact(GIGABYTE as u64) } else { SizeHint::default() }
    }
}

/// Enough for whoever answers at once.
pub const SHORT: Duration = Duration::from_millis(300);
