//! Pages that follow their files.

use std::time::Duration;

use super::overrides::overrides;
use super::*;
use crate::base::clock::Timestamp;

fn title(pages: &Pages) -> String {
    let html = pages.render(&sample::<LoginPage>("logo"), &english(pages)).unwrap();
    html.split_once("<title>").unwrap().1.split_once("</title>").unwrap().0.to_owned()
}

#[test]
fn a_changed_file_is_used_and_a_broken_one_named() {
    let directory = overrides(&[("login.html", "<title>one</title>")]);
    let write = |text: &str| fs::write(directory.path().join("login.html"), text).unwrap();
    let recipe = Recipe { frame: frame(), overrides: Some(directory.path().to_owned()), default_language: None };
    let start = Timestamp::from_secs(1_000_000);
    let after = |seconds| start + Duration::from_secs(seconds);
    let live = LivePages::new(recipe.clone(), true, start).unwrap();
    let still = LivePages::new(recipe, false, start).unwrap();
    assert_eq!(title(&live.current(start).unwrap()), "one");

    write("<title>two, and longer</title>");
    assert_eq!(title(&live.current(start).unwrap()), "one", "files are looked at once in a while");
    assert_eq!(title(&live.current(after(1)).unwrap()), "two, and longer");

    write("<title>three</title>\n{% if %}");
    let fault = live.current(after(2)).unwrap_err().to_string();
    assert!(fault.contains("/login.html:2: syntax error"), "{fault}");
    assert!(title(&live.in_any_case(after(2))).starts_with("Sign in"), "ours, to say so on");

    write("<title>four</title>");
    assert_eq!(title(&live.current(after(3)).unwrap()), "four");
    fs::remove_file(directory.path().join("login.html")).unwrap();
    assert!(title(&live.current(after(4)).unwrap()).starts_with("Sign in"));
    assert_eq!(title(&still.current(after(4)).unwrap()), "one", "but not outside of development");
}
