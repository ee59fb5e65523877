//! Pages that differ in their sealed request only: rendered once, and printed with each request in its place.
//!
//! A template is a program, and may do more with a value than show it. So a page is kept only if its rendering with one
//! value in place of the request is that with another one but for the places where the values stand.

use std::collections::hash_map::RandomState;
use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasher;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What stands for the request, some times over: as short as requests are and as long, so that a template that looks at the
/// length is found out.
const STAND_INS: [(&str, usize); 2] = [("aSealedRequestWillStandHere", 8), ("hereWillStandWhatSomebodyAsksFor", 128)];

/// Pages that are known, at most; half of it are those that came last.
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
        let [one, other] = STAND_INS.map(|(text, times)| text.repeat(times));
        let print = Self(render(&one)?.split(&one).map(ToOwned::to_owned).collect());
        Ok((print.with(&other) == render(&other)?).then_some(print))
    }

    /// The page with this value, which has to be one that HTML need not escape.
    pub(super) fn with(&self, value: &str) -> String {
        self.0.join(value)
    }

    fn len(&self) -> usize {
        self.0.iter().map(String::len).sum()
    }
}

/// Whether HTML shows a value as it is: base64url, and not nothing.
pub(super) fn is_plain(value: &str) -> bool {
    !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

/// What is known of a page.
pub(super) enum Known {
    /// It is kept.
    Print(Arc<Print>),
    /// It can't be kept.
    Never,
    /// It came before.
    Seen,
    /// It is new.
    Nothing,
}

/// The pages that are kept, by everything that they show but the sealed request.
#[derive(Default)]
pub(super) struct Prints {
    /// `None` for those that can't be.
    pages: Mutex<Pages>,
    /// Digests of pages that were rendered.
    seen: Mutex<VecDeque<u64>>,
    hasher: RandomState,
}

/// Two generations. When the young one has filled half of the room, it becomes the old one, and the old one goes.
#[derive(Default)]
struct Pages {
    young: HashMap<Vec<u8>, Option<Arc<Print>>>,
    old: HashMap<Vec<u8>, Option<Arc<Print>>>,
}

impl Prints {
    /// What is known of the page; from now on at least that it came.
    pub(super) fn know(&self, key: &[u8]) -> Known {
        {
            let pages = self.pages();
            match pages.young.get(key).or_else(|| pages.old.get(key)) {
                Some(Some(print)) => return Known::Print(Arc::clone(print)),
                Some(None) => return Known::Never,
                None => {}
            }
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

    /// Keeps a page, or that it can't be kept.
    pub(super) fn keep(&self, key: Vec<u8>, print: Option<Print>) {
        if key.len() > LARGEST {
            return;
        }
        let print = print.filter(|print| print.len() <= LARGEST).map(Arc::new);
        let mut pages = self.pages();
        if pages.young.len() >= MOST / 2 {
            pages.old = mem::take(&mut pages.young);
        }
        pages.young.insert(key, print);
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
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
        assert!(make(|value| Ok(format!("{value}{}", if value.len() > 1000 { "long" } else { "" }))).is_none());
        assert!(make(|value| Ok(value.to_uppercase())).is_none());
        assert!(make(|value| Ok(value.chars().rev().collect())).is_none());
    }

    #[test]
    fn what_looks_like_a_stand_in_is_no_place_for_the_request() {
        for shown in STAND_INS.map(|(text, times)| text.repeat(times)) {
            let print = make(|value| Ok(format!("<p>{shown}</p>{value}")));
            assert!(print.is_none_or(|print| print.with("abc") == format!("<p>{shown}</p>abc")), "{shown}");
        }
    }

    #[test]
    fn what_is_kept_is_bounded_and_what_came_last_stays() {
        let prints = Prints::default();
        let print = || make(|value| Ok(value.to_owned()));
        for number in 0..1000_u32 {
            let key = number.to_be_bytes();
            assert!(matches!(prints.know(&key), Known::Nothing));
            assert!(matches!(prints.know(&key), Known::Seen));
            prints.keep(key.to_vec(), print());
            for last in (0..=number).rev().take(MOST / 2) {
                assert!(matches!(prints.know(&last.to_be_bytes()), Known::Print(_)));
            }
            let pages = prints.pages();
            assert!(pages.young.len() + pages.old.len() <= MOST);
        }
        assert_eq!(prints.seen.lock().unwrap().len(), REMEMBERED);
        prints.keep(vec![0; LARGEST + 1], print());
        assert!(matches!(prints.know(&vec![0; LARGEST + 1]), Known::Nothing), "too large to be known");
    }

    #[test]
    fn what_cannot_be_kept_is_not_tried_again() {
        let prints = Prints::default();
        prints.keep(b"odd".to_vec(), make(|value| Ok(value.to_uppercase())));
        prints.keep(b"large".to_vec(), make(|value| Ok(format!("{value}{}", "x".repeat(LARGEST + 1)))));
        assert!(matches!(prints.know(b"odd"), Known::Never));
        assert!(matches!(prints.know(b"large"), Known::Never));
    }
}
