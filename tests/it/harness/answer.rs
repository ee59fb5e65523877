//! Authorization responses, in whatever part of a redirect URI they stand.

use hallpass::base::form::Form;

use super::Response;
use super::http::unescape;

/// How an answer travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Query,
    Fragment,
    FormPost,
}

/// What a browser is sent to a relying party with.
#[derive(Clone, Debug)]
pub struct Answer {
    pub mode: Mode,
    /// The whole address that the browser is sent to, or that the form goes to.
    pub location: String,
    /// What stands in the query, the fragment or the form, in its order.
    pub parameters: Vec<(String, String)>,
}

impl Answer {
    #[track_caller]
    pub fn of(response: &Response) -> Self {
        if response.has_id("form-post") {
            return Self::of_form(response);
        }
        assert_eq!(response.status, 303, "{response:?}");
        let location = response.location().to_owned();
        assert!(location.bytes().all(|byte| byte.is_ascii_graphic()), "{location}");
        let (mode, parameters) = match location.split_once('#') {
            Some((_, fragment)) => (Mode::Fragment, fragment),
            None => (Mode::Query, location.split_once('?').map_or("", |(_, query)| query)),
        };
        let form = Form::parse(parameters.as_bytes()).unwrap();
        let parameters = form.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Self { mode, location, parameters }
    }

    /// OAuth 2.0 Form Post Response Mode section 2.
    fn of_form(response: &Response) -> Self {
        assert_eq!((response.status, response.header("location")), (200, None));
        let (_, form) = response.body.split_once("<form id=\"form-post\" method=\"post\" action=\"").unwrap();
        let (action, form) = form.split_once('"').unwrap();
        let (form, _) = form.split_once("</form>").unwrap();
        let field = |input: &str| {
            let (name, rest) = input.split_once("\" value=\"").unwrap();
            (unescape(name), unescape(rest.split_once('"').unwrap().0))
        };
        let parameters = form.split("<input type=\"hidden\" name=\"").skip(1).map(field).collect();
        Self { mode: Mode::FormPost, location: unescape(action), parameters }
    }

    /// The names of the parameters in their order.
    pub fn names(&self) -> Vec<&str> {
        self.parameters.iter().map(|(name, _)| name.as_str()).collect()
    }

    /// A parameter, which must not come twice.
    #[track_caller]
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut found = self.parameters.iter().filter(|(other, _)| other == name);
        let value = found.next().map(|(_, value)| value.as_str());
        assert!(found.next().is_none(), "{name} comes twice: {self:?}");
        value
    }

    #[track_caller]
    pub fn code(&self) -> &str {
        self.get("code").unwrap_or_else(|| panic!("no code: {self:?}"))
    }

    /// `error`, after what holds for every error response (RFC 6749 section 4.1.2.1, RFC 9207 section 2).
    #[track_caller]
    pub fn error(&self) -> &str {
        let error = self.get("error").unwrap_or_else(|| panic!("no error: {self:?}"));
        assert_eq!(self.get("code"), None, "{self:?}");
        assert!(self.get("iss").is_some(), "{self:?}");
        let description = self.get("error_description").unwrap();
        let legal = |c: char| matches!(c, ' '..='~') && c != '"' && c != '\\';
        assert!(!description.is_empty() && description.chars().all(legal), "{description:?}");
        error
    }
}
