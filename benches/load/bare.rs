//! The floor: hyper as it comes, with answers that were recorded.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_LENGTH, DATE, HeaderName, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

/// The argument before the file with the recording.
pub(crate) const FLAG: &str = "--bare";

/// An answer as it went over the wire.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Recorded {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

/// The answer of each path.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct Recording(HashMap<String, Recorded>);

impl Recording {
    /// Keeps an answer, in place of one that the path had.
    pub(crate) fn keep(&mut self, path: &str, answer: &Response<Bytes>) {
        let text = |value: &HeaderValue| value.to_str().expect("a visible value").to_owned();
        let own = |name: &&HeaderName| **name != DATE && **name != CONTENT_LENGTH; // hyper writes these by itself
        let headers = answer.headers();
        let recorded = Recorded {
            status: answer.status().as_u16(),
            headers: headers.keys().filter(own).map(|name| (name.to_string(), text(&headers[name]))).collect(),
            body: String::from_utf8(answer.body().to_vec()).expect("text"),
        };
        self.0.insert(path.to_owned(), recorded);
    }

    pub(crate) fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("JSON")
    }
}

/// Serves a recording for ever, after it has written its address to stdout.
pub(crate) fn serve(recording: &str) {
    let recording: Recording = serde_json::from_slice(&std::fs::read(recording).expect("a file")).expect("a recording");
    let answers: HashMap<String, Response<Full<Bytes>>> = recording.0.into_iter().map(prepare).collect();
    let answers = Arc::new(answers);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async move {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        println!("{}", listener.local_addr().expect("its address"));
        loop {
            let (stream, _) = listener.accept().await.expect("a connection");
            stream.set_nodelay(true).expect("an option");
            let answers = Arc::clone(&answers);
            tokio::spawn(async move {
                let service = service_fn(move |request| answer(Arc::clone(&answers), request));
                let connection = hyper::server::conn::http1::Builder::new();
                let _ = connection.serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
}

fn prepare((path, recorded): (String, Recorded)) -> (String, Response<Full<Bytes>>) {
    let mut response = Response::new(Full::new(Bytes::from(recorded.body)));
    *response.status_mut() = StatusCode::from_u16(recorded.status).expect("a status");
    for (name, value) in &recorded.headers {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
        response.headers_mut().insert(name, HeaderValue::from_str(value).expect("a value"));
    }
    (path, response)
}

async fn answer(
    answers: Arc<HashMap<String, Response<Full<Bytes>>>>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let _ = body.collect().await;
    Ok(answers.get(parts.uri.path()).cloned().unwrap_or_default())
}
