//! A browser as far as the flows need one: it keeps cookies, follows redirects as long as they stay at the provider, and
//! fills in forms.

use std::collections::BTreeMap;

use hallpass::base::form;

use super::http::attempt;
use super::{PASSWORD, Response};

#[derive(Clone)]
pub struct Browser {
    issuer: String,
    /// What the browser says it reads.
    pub accept_language: String,
    pub cookies: BTreeMap<String, String>,
}

impl Browser {
    pub fn new(issuer: &str) -> Self {
        Self { issuer: issuer.to_owned(), accept_language: "en".to_owned(), cookies: BTreeMap::new() }
    }

    /// The provider that it talks to.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// One request, and the cookies that come back.
    pub async fn send(&mut self, method: &str, url: &str, headers: &[(&str, &str)], body: Option<Vec<u8>>) -> Response {
        let cookies = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ");
        let language = self.accept_language.clone();
        let mut all = vec![("accept-language", language.as_str())];
        all.extend_from_slice(headers);
        if !cookies.is_empty() {
            all.push(("cookie", &cookies));
        }
        let response = attempt(method, url, &all, body).await;
        for line in response.headers.get_all("set-cookie") {
            let line = line.to_str().unwrap();
            let (name, value) = line.split(';').next().unwrap().split_once('=').unwrap();
            if line.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        response
    }

    /// The last answer of a chain of redirects at the provider.
    pub async fn follow(&mut self, mut response: Response) -> Response {
        for _ in 0..10 {
            let Some(location) = response.header("location") else { return response };
            let url = if location.starts_with('/') { self.absolute(location) } else { location.to_owned() };
            if !url.starts_with(&format!("{}/", self.issuer)) {
                return response;
            }
            response = self.send("GET", &url, &[], None).await;
        }
        panic!("too many redirects: {response:?}");
    }

    fn absolute(&self, path: &str) -> String {
        let scheme_end = self.issuer.find("://").unwrap() + 3;
        let origin_end = self.issuer[scheme_end..].find('/').map_or(self.issuer.len(), |at| scheme_end + at);
        format!("{}{path}", &self.issuer[..origin_end])
    }

    pub async fn get(&mut self, path: &str) -> Response {
        let response = self.send("GET", &format!("{}{path}", self.issuer), &[], None).await;
        self.follow(response).await
    }

    /// Sends a form as a page of the provider's would.
    pub async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Response {
        let origin = self.absolute("");
        self.post_from(&origin, path, fields).await
    }

    /// Sends a form as a page of this origin would.
    pub async fn post_from(&mut self, origin: &str, path: &str, fields: &[(&str, &str)]) -> Response {
        let headers = [("content-type", "application/x-www-form-urlencoded"), ("origin", origin)];
        let body = form::render(fields.iter().copied()).into_bytes();
        let response = self.send("POST", &format!("{}{path}", self.issuer), &headers, Some(body)).await;
        self.follow(response).await
    }

    /// The authorization request, as far as it goes by itself.
    pub async fn authorize(&mut self, parameters: &[(&str, &str)]) -> Response {
        self.get(&format!("/authorize?{}", form::render(parameters.iter().copied()))).await
    }

    /// Fills in the login page.
    #[track_caller]
    pub fn log_in<'a>(
        &'a mut self,
        page: &Response,
        username: &'a str,
        password: &'a str,
    ) -> impl Future<Output = Response> + 'a {
        let pending = page.field("pending");
        async move {
            let fields =
                [("pending", pending.as_str()), ("username", username), ("password", password), ("decision", "login")];
            self.post("/login", &fields).await
        }
    }

    /// Presses a button of the consent page.
    #[track_caller]
    pub fn decide<'a>(&'a mut self, page: &Response, decision: &'a str) -> impl Future<Output = Response> + 'a {
        assert!(page.has_id("consent-allow"), "not the consent page: {page:?}");
        let pending = page.field("pending");
        async move { self.post("/consent", &[("pending", &pending), ("decision", decision)]).await }
    }

    /// Goes all the way, whatever pages come, as this user who agrees to everything.
    pub async fn complete(&mut self, username: &str, parameters: &[(&str, &str)]) -> Response {
        let mut response = self.authorize(parameters).await;
        if response.has_id("login-submit") {
            response = self.log_in(&response, username, PASSWORD).await;
        }
        if response.has_id("consent-allow") {
            response = self.decide(&response, "allow").await;
        }
        response
    }

    /// The same, to the code.
    pub async fn code(&mut self, username: &str, parameters: &[(&str, &str)]) -> String {
        let response = self.complete(username, parameters).await;
        response.query("code").unwrap_or_else(|| panic!("no code: {response:?}"))
    }

    /// The value of the session cookie.
    pub fn session(&self) -> Option<&str> {
        self.cookies.iter().find(|(name, _)| name.contains("session")).map(|(_, value)| value.as_str())
    }
}
