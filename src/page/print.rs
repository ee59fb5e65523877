//! Pages that differ in their sealed request only: rendered once, and printed with each request in its place.
//!
//! A template is a program, and may do more with a value than show it. So a page is kept only if its rendering with one
//! value in place of the request is that with another one but for the places where the values stand.

use std::collections::hash_map::RandomState;
use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, PoisonError};

/// Values that stand for the request. Of different lengths, so that a template that looks at the length is found out.
const STAND_INS: [&str; 2] = ["aSealedRequestWillStandHere", "hereWillStandWhatSomebodyAsksFor"];

/// Pages that are kept.
const MOST: usize = 64;

/// Larger ones aren't kept, in bytes: pages of ours have some kilobytes.
const LARGEST: usize = 32 * 1024;

/// Pages that were rendered once: the second time shows that it's worth keeping them.
const REMEMBERED: usize = 256;

/// A page without its sealed request: what stands around it.
pub(super) struct Print(Vec<String>);

impl Print {
    /// Renders a page with stand-ins; `None` when its template does more with the value than show it.
    pub(super) fn make<E>(mut render: impl FnMut(&str) -> Result<String, E>) -> Result<Option<Self>, E> {
        let [one, other] = STAND_INS;
        let print = Self(render(one)?.split(one).map(ToOwned::to_owned).collect());
        Ok((print.with(other) == render(other)?).then_some(print))
    }

    /// The page with this value, which has to be one that HTML need not escape.
    pub(super) fn with(&self, value: &str) -> String {
        self.0.join(value)
    }

    fn len(&self) -> usize {
        self.0.iter().map(String::len).sum()
    }
}

/// Whether HTML shows a value as it is: base64url.
pub(super) fn is_plain(value: &str) -> bool {
    value.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

/// What is known of a page.
pub(super) enum Known {
    /// It is kept.
    Print(Arc<Print>),
    /// It came before.
    Seen,
    /// It is new.
    Nothing,
}

/// The pages that are kept, by everything that they show but the sealed request.
#[derive(Default)]
pub(super) struct Prints {
    kept: Mutex<HashMap<Vec<u8>, Arc<Print>>>,
    /// Digests of pages that were rendered.
    seen: Mutex<VecDeque<u64>>,
    hasher: RandomState,
}

impl Prints {
    /// What is known of the page; from now on at least that it came.
    pub(super) fn know(&self, key: &[u8]) -> Known {
        if let Some(print) = self.kept.lock().unwrap_or_else(PoisonError::into_inner).get(key) {
            return Known::Print(Arc::clone(print));
        }
        let digest = self.hasher.hash_one(key);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.contains(&digest) {
            return Known::Seen;
        }
        if seen.len() >= REMEMBERED {
            seen.pop_front();
        }
        seen.push_back(digest);
        Known::Nothing
    }

    /// Keeps a page, in place of another one if there are many.
    pub(super) fn keep(&self, key: Vec<u8>, print: Print) {
        if print.len() + key.len() > LARGEST {
            return;
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= MOST
            && let Some(any) = kept.keys().next().cloned()
        {
            kept.remove(&any);
        }
        kept.insert(key, Arc::new(print));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    fn make(render: impl FnMut(&str) -> Result<String, Infallible>) -> Option<Print> {
        Print::make(render).unwrap()
    }

    #[test]
    fn a_page_that_shows_its_request_is_printed_with_any() {
        let print = make(|value| Ok(format!("<p>{value}</p><a href=\"/?pending={value}\">"))).unwrap();
        assert_eq!(print.with("abc"), "<p>abc</p><a href=\"/?pending=abc\">");
        assert_eq!(make(|_| Ok("nothing of it".to_owned())).unwrap().with("abc"), "nothing of it");
    }

    #[test]
    fn a_template_that_does_more_with_the_request_is_rendered_each_time() {
        assert!(make(|value| Ok(format!("{value} has {} bytes", value.len()))).is_none());
        assert!(make(|value| Ok(value.to_uppercase())).is_none());
        assert!(make(|value| Ok(value.chars().rev().collect())).is_none());
    }

    #[test]
    fn what_looks_like_a_stand_in_is_no_place_for_the_request() {
        for shown in STAND_INS {
            let print = make(|value| Ok(format!("<p>{shown}</p>{value}")));
            assert!(print.is_none_or(|print| print.with("abc") == format!("<p>{shown}</p>abc")), "{shown}");
        }
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let prints = Prints::default();
        let print = || make(|value| Ok(value.to_owned())).unwrap();
        for number in 0..1000_u32 {
            let key = number.to_be_bytes();
            assert!(matches!(prints.know(&key), Known::Nothing));
            assert!(matches!(prints.know(&key), Known::Seen));
            prints.keep(key.to_vec(), print());
            assert!(matches!(prints.know(&key), Known::Print(_)));
        }
        assert_eq!(prints.kept.lock().unwrap().len(), MOST);
        assert_eq!(prints.seen.lock().unwrap().len(), REMEMBERED);
        prints.keep(vec![0; LARGEST + 1], print());
        assert!(!prints.kept.lock().unwrap().contains_key(&vec![0; LARGEST + 1]));
    }
}
