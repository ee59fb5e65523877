//! One keep-alive connection of the load.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, HOST, LOCATION, SET_COOKIE};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::server::Server;

pub(crate) struct Caller {
    sender: SendRequest<Full<Bytes>>,
    host: String,
    /// Sent with every request, if there are any.
    pub(crate) cookies: Vec<(String, String)>,
    /// `Authorization` of every request.
    pub(crate) authorization: Option<String>,
}

impl Caller {
    pub(crate) async fn connect(server: &Server) -> Self {
        let stream = TcpStream::connect(server.address).await.expect("a connection");
        stream.set_nodelay(true).expect("an option");
        let (sender, connection) = handshake(TokioIo::new(stream)).await.expect("HTTP");
        tokio::task::spawn_local(connection);
        Self { sender, host: server.address.to_string(), cookies: Vec::new(), authorization: None }
    }

    /// The same headers to another server.
    pub(crate) async fn beside(&self, server: &Server) -> Self {
        let other = Self::connect(server).await;
        Self { cookies: self.cookies.clone(), authorization: self.authorization.clone(), ..other }
    }

    pub(crate) async fn get(&mut self, target: &str) -> Response<Bytes> {
        self.send("GET", target, Bytes::new()).await
    }

    pub(crate) async fn post(&mut self, target: &str, form: Bytes) -> Response<Bytes> {
        self.send("POST", target, form).await
    }

    async fn send(&mut self, method: &str, target: &str, body: Bytes) -> Response<Bytes> {
        let mut request = Request::builder().method(method).uri(target).header(HOST, &self.host);
        if !self.cookies.is_empty() {
            let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            request = request.header(COOKIE, cookies.join("; "));
        }
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        if method == "POST" {
            request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        }
        let request = request.body(Full::new(body)).expect("a request");
        let (parts, body) = self.sender.send_request(request).await.expect("an answer").into_parts();
        Response::from_parts(parts, body.collect().await.expect("its body").to_bytes())
    }

    /// Keeps the cookies of an answer, as a browser does.
    pub(crate) fn keep_cookies(&mut self, answer: &Response<Bytes>) {
        for line in answer.headers().get_all(SET_COOKIE) {
            let pair = line.to_str().expect("a cookie").split(';').next().expect("a pair");
            let (name, value) = pair.split_once('=').expect("a pair");
            self.cookies.retain(|(kept, _)| kept != name);
            if !value.is_empty() {
                self.cookies.push((name.to_owned(), value.to_owned()));
            }
        }
    }
}

/// The value of a parameter in the address that an answer redirects to.
pub(crate) fn redirect_parameter(answer: &Response<Bytes>, name: &str) -> Option<String> {
    let location = answer.headers().get(LOCATION)?.to_str().ok()?;
    let url = url::Url::parse(location).ok()?;
    url.query_pairs().find(|(found, _)| found == name).map(|(_, value)| value.into_owned())
}

/// The value of a hidden field of a page.
pub(crate) fn field(answer: &Response<Bytes>, name: &str) -> String {
    assert_eq!(answer.status(), StatusCode::OK, "{answer:?}");
    let page = std::str::from_utf8(answer.body()).expect("text");
    let (_, rest) = page.split_once(&format!("name=\"{name}\" value=\"")).expect("the field");
    rest.split('"').next().expect("its value").to_owned()
}
