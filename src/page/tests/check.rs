//! What `hallpass templates check` says, and what `export` writes.

use super::overrides::overrides;
use super::*;

/// What is said of these files, without the directory in front.
fn faults(files: &[(&str, &str)]) -> Vec<String> {
    let directory = overrides(files);
    let prefix = format!("{}/", directory.path().display());
    let faults = check(&frame(), Some(directory.path())).unwrap();
    faults.iter().map(|fault| fault.to_string().replace(&prefix, "")).collect()
}

#[track_caller]
fn says(file: &str, text: &str, wanted: &[&str]) {
    let said = faults(&[(file, text)]);
    for part in wanted {
        assert!(said.iter().any(|fault| fault.contains(part)), "{file}: {part:?} is not in {said:#?}");
    }
}

#[test]
fn ours_are_without_a_fault() {
    assert_eq!(check(&frame(), None).unwrap().iter().map(ToString::to_string).collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn every_fault_is_said_with_its_file_and_line() {
    let said = faults(&[
        ("login.html", "<p>\n{% if %}"),
        ("home.html", "\n\n{{ usrname }}"),
        ("logn.html", ""),
        ("part/text.html", "{{ broken"),
        ("locale/de.toml", "[login]\ntitel = \"x\"\nsubmit = 1\nthrottled = \"bald\""),
        ("asset/run.exe", ""),
    ]);
    for part in [
        "login.html:2: syntax error",
        "home.html:3: undefined value",
        "logn.html: no page is called so",
        "part/text.html:1: ",
        "locale/de.toml:2: `login.titel`: no page says this",
        "locale/de.toml:3: `login.submit`: must be text",
        "locale/de.toml:4: `login.throttled`: must fill in exactly {\"count\"}",
        "asset/run.exe: not a kind of file",
    ] {
        assert!(said.iter().any(|fault| fault.starts_with(part)), "{part:?} is not in {said:#?}");
    }
    assert_eq!(said.len(), 8, "each is said once: {said:#?}");
}

#[test]
fn csp3_what_a_browser_would_block_is_found() {
    let cases = [
        ("<script>alert(1)</script>", "<script>: an inline script"),
        ("<SCRIPT src=\"https://cdn.example/a.js\"></SCRIPT>", "<script>: a script from elsewhere"),
        ("<style>p { color: red }</style>", "<style>: an inline style"),
        ("<p style=\"color: red\">", "<p>: an inline style"),
        ("<img src=x onerror=alert(1)>", "<img>: an inline script in onerror"),
        ("<img alt='' src='https://pixel.example/a.png'>", "<img>: an image from elsewhere"),
        ("<link rel=\"stylesheet\" href=\"//cdn.example/a.css\">", "<link>: a style sheet from elsewhere"),
        ("<iframe src=\"/x\"></iframe>", "<iframe>: something that is embedded"),
        ("<a href=\"JavaScript:alert(1)\">", "<a>: href runs a script"),
        ("<a href=\"https://help.example/\">Help</a><!-- <base> -->", ""),
    ];
    let lines: Vec<&str> = cases.iter().map(|(line, _)| *line).collect();
    let template =
        "{% extends \"default/login.html\" %}{% block stub %}\n".to_owned() + &lines.join("\n") + "{% endblock %}";
    let mut said = faults(&[("login.html", &template)]);
    for (line, (case, wanted)) in (2..).zip(cases).filter(|(_, (_, wanted))| !wanted.is_empty()) {
        let wanted = format!("login.html:{line}: {wanted}");
        let found = said.iter().position(|fault| fault.starts_with(&wanted));
        said.remove(found.unwrap_or_else(|| panic!("{case}: {wanted:?} is not in {said:#?}")));
    }
    assert!(said.is_empty(), "{said:#?}");
    assert!(super::super::check::runs_script(" java\tscript:alert(1)"), "as browsers read it");
}

#[test]
fn forms_that_would_not_be_taken_are_found() {
    says(
        "error.html",
        "<form method=\"post\" action=\"/x\">",
        &["error.html:1: <form>: a form on a page that has none"],
    );
    says("login.html", "<p>closed</p>", &["login.html: there is no form with action=\"/idp/login\""]);
    let form =
        |inside: &str| format!("<p>\n<form method=\"post\" action=\"{{{{ frame.base }}}}/login\">{inside}</form>");
    let fields = "<input name=\"username\"><input name=\"password\">";
    says(
        "login.html",
        &form(fields),
        &["login.html:2: the form to /idp/login does not send back `pending`: write {{ hidden_inputs }}"],
    );
    says(
        "login.html",
        &form("{{ hidden_inputs }}<input name=\"username\">"),
        &["login.html:2: no form to /idp/login has a field or button for username, password"],
    );
    assert!(faults(&[("login.html", &form(&format!("{{{{ hidden_inputs }}}}{fields}")))]).is_empty());
    let get = form(&format!("{{{{ hidden_inputs }}}}{fields}")).replace(" method=\"post\"", "");
    says("login.html", &get, &["login.html:2: the form to /idp/login has no method=\"post\""]);
    let consent = "<form method='POST' action='{{ frame.base }}/consent'><input type=hidden name=pending value='{{ pending }}'><button name=decision>";
    says("authorize.html", consent, &["authorize.html:1: the form to /idp/consent does not send back `csrf`"]);
}

#[test]
fn a_language_of_ones_own_is_asked_for_every_sentence() {
    let said = faults(&[("locale/he.toml", "direction = \"rtl\"\n[login]\ntitle = \"כניסה\"")]);
    assert!(said.contains(&"locale/he.toml: `login.submit`: missing; pages say it in English".to_owned()), "{said:#?}");
    assert!(said.contains(&"locale/he.toml: `name`: missing; pages say it in English".to_owned()));
    assert!(!said.iter().any(|fault| fault.contains("login.title")));
    assert!(faults(&[("locale/de.toml", "[login]\ntitle = \"Hereinspaziert\"")]).is_empty(), "the rest is ours");
    let polish = "[login]\nthrottled = { one = \"{count}\", other = \"{count}\" }";
    says(
        "locale/pl.toml",
        polish,
        &["locale/pl.toml:2: `login.throttled`: the language needs exactly the forms one, few, many, other"],
    );
}

#[test]
fn export_writes_everything_and_nothing_over_it() {
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().join("new/templates");
    assert_eq!(export(&target, false).unwrap(), BUILT_IN.len() + 1);
    for (name, text) in BUILT_IN {
        assert_eq!(fs::read_to_string(target.join(name)).unwrap(), *text);
    }
    assert_eq!(fs::read_to_string(target.join("CONTEXT.md")).unwrap(), contexts().unwrap());
    assert!(check(&frame(), Some(&target)).unwrap().is_empty(), "what was written can be used");

    fs::write(target.join("login.html"), "mine").unwrap();
    fs::remove_file(target.join("home.html")).unwrap();
    let refused = export(&target, false).unwrap_err().to_string();
    assert!(refused.contains("is there already") && refused.contains("--force"), "{refused}");
    assert!(!target.join("home.html").exists(), "nothing was written");
    assert_eq!(fs::read_to_string(target.join("login.html")).unwrap(), "mine");
    export(&target, true).unwrap();
    assert_ne!(fs::read_to_string(target.join("login.html")).unwrap(), "mine");
}
