//! Advice for the author of a relying party, on the error page of a provider for development: what was sent, what is
//! registered, and how to make the two meet.

use crate::app::App;
use crate::app::fault::Fault;
use crate::base::form::Form;
use crate::base::nearest::{edit_distance, nearest};
use crate::model::client::Client;
use crate::model::id::ClientId;
use crate::protocol::authorize::Unproven;

/// More clients than this aren't looked through.
const MAX_CLIENTS: usize = 100;

/// As much of a value as is shown.
const MAX_SHOWN: usize = 200;

/// What to do about a request that can't be answered to its client; `None` where nobody is developing.
///
/// # Errors
/// When the store can't be read.
pub(super) async fn advise(
    app: &App,
    cause: Unproven,
    form: &Form,
    client: Option<&Client>,
) -> Result<Option<String>, Fault> {
    if app.development.is_none() {
        return Ok(None);
    }
    Ok(Some(match cause {
        Unproven::ClientIdMissing => {
            format!("{}{}", misspelt(form, "client_id"), registered_clients(&client_ids(app).await?))
        }
        Unproven::ClientUnknown => unknown_client(form.get("client_id").unwrap_or_default(), &client_ids(app).await?),
        Unproven::RedirectUriMissing => format!("{}{}", misspelt(form, "redirect_uri"), redirects(client)),
        Unproven::RedirectUriUnregistered => unregistered(form.get("redirect_uri").unwrap_or_default(), client),
        Unproven::ClientIdRepeated => repeated("client_id"),
        Unproven::RedirectUriRepeated => repeated("redirect_uri"),
    }))
}

async fn client_ids(app: &App) -> Result<Vec<ClientId>, Fault> {
    let clients = app.store.clients(None, MAX_CLIENTS).await?.items;
    Ok(clients.iter().map(|client| client.id.clone()).collect())
}

fn repeated(name: &str) -> String {
    format!("Send {name} once: in the query of a GET, or in the form of a POST.")
}

/// What the request has instead, if it looks like a slip.
fn misspelt(form: &Form, wanted: &str) -> String {
    let folded = |name: &str| name.replace(['_', '-'], "").to_ascii_lowercase();
    let meant =
        form.names().map(shorten).find(|name| folded(name) == folded(wanted) || edit_distance(name, wanted) <= 2);
    match meant.filter(|name| *name != wanted) {
        Some(name) => format!("The request has {}; the parameter is called {wanted}. ", quote(name)),
        None => format!("Send {wanted} with the authorization request. "),
    }
}

fn registered_clients(known: &[ClientId]) -> String {
    let names: Vec<&str> = known.iter().map(ClientId::as_str).collect();
    match names.as_slice() {
        [] => "No client is registered here.".to_owned(),
        names => format!("Registered here: {}.", names.join(", ")),
    }
}

fn unknown_client(sent: &str, known: &[ClientId]) -> String {
    let near = nearest(sent, known.iter().map(ClientId::as_str));
    let near = near.map_or_else(String::new, |near| format!(" The nearest registered one is {near}."));
    format!(
        "client_id is {}.{near} {} hallpass createclient --id registers one, and so does a file of hallpass dev --apply.",
        quote(sent),
        registered_clients(known)
    )
}

fn redirects(client: Option<&Client>) -> String {
    let registered = client.map(|client| client.redirect_uris.join(", ")).filter(|uris| !uris.is_empty());
    let registered = registered.map_or_else(String::new, |uris| format!("Registered for this client: {uris}. "));
    format!("{registered}In development any http or https address on localhost, 127.0.0.1 or [::1] will do.")
}

fn unregistered(sent: &str, client: Option<&Client>) -> String {
    let registered = client.map(|client| client.redirect_uris.as_slice()).unwrap_or_default();
    let near = registered.iter().min_by_key(|uri| edit_distance(shorten(uri), shorten(sent)));
    let near = near.map_or_else(String::new, |near| {
        let difference = difference(near, sent).map_or_else(String::new, |what| format!(", which differs in {what}"));
        format!(" The nearest registered URI is {near}{difference}. They are compared as they are written.")
    });
    format!(
        "redirect_uri is {}.{near} {} Others are registered by hallpass createclient, or by a file of hallpass dev --apply.",
        quote(sent),
        redirects(None)
    )
}

/// What people overlook.
fn difference(registered: &str, sent: &str) -> Option<&'static str> {
    let scheme = |uri: &str| uri.split_once("://").map(|(scheme, rest)| (scheme.to_owned(), rest.to_owned()));
    if registered.trim_end_matches('/') == sent.trim_end_matches('/') {
        return Some("the final slash");
    }
    if registered.eq_ignore_ascii_case(sent) {
        return Some("upper and lower case");
    }
    if sent.split(['?', '#']).next() == registered.split(['?', '#']).next() {
        return Some("what follows the path");
    }
    match (scheme(registered), scheme(sent)) {
        (Some((one, rest)), Some((other, same))) if rest == same && one != other => Some("the scheme"),
        _ => None,
    }
}

/// Somebody else's text, no longer than can be read.
fn quote(text: &str) -> String {
    format!("\u{201c}{}\u{201d}", shorten(text))
}

fn shorten(text: &str) -> &str {
    text.char_indices().nth(MAX_SHOWN).and_then(|(end, _)| text.get(..end)).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc6749_3_1_2_3_what_differs_is_named() {
        for (sent, what) in [
            ("https://app.example/cb/", Some("the final slash")),
            ("http://app.example/cb", Some("the scheme")),
            ("https://app.example/CB", Some("upper and lower case")),
            ("https://app.example/cb?x=1", Some("what follows the path")),
            ("https://other.example/cb", None),
        ] {
            assert_eq!(difference("https://app.example/cb", sent), what, "{sent}");
        }
    }

    #[test]
    fn what_was_sent_is_shown_no_longer_than_can_be_read() {
        assert_eq!(shorten("é").len(), 2);
        assert_eq!(shorten(&"é".repeat(300)).chars().count(), MAX_SHOWN);
    }
}
