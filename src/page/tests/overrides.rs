//! Files of a deployment in place of ours.

use super::*;

/// A directory with these files.
pub(super) fn overrides(files: &[(&str, &str)]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    directory
}

fn refusal(files: &[(&str, &str)]) -> String {
    let directory = overrides(files);
    Pages::new(&frame(), Some(directory.path())).unwrap_err().to_string()
}

#[test]
fn overrides_replace_one_file_and_may_build_on_it() {
    let directory = overrides(&[
        (
            "login.html",
            "{% extends \"default/login.html\" %}{% block stub %}Ring 112.{% include \"part/help.html\" %}{% endblock %}",
        ),
        ("part/help.html", "<img alt=\"\" src=\"{{ asset('house.png') }}\">"),
        ("asset/house.png", "png"),
        ("asset/mark.svg", "<svg xmlns=\"http://www.w3.org/2000/svg\"/>"),
        ("locale/en.toml", "[login]\ntitle = \"Come in\""),
        ("locale/he.toml", "direction = \"rtl\"\n[login]\ntitle = \"כניסה\""),
        ("README.md", "notes"),
    ]);
    let pages = Pages::new(&frame(), Some(directory.path())).unwrap();
    let page = sample::<LoginPage>("logo");
    let html = pages.render(&page, &english(&pages)).unwrap();
    assert!(html.contains("Ring 112.<img alt=\"\" src=\"/idp/asset/house.png?v="), "{html}");
    assert!(html.contains("<h1 id=\"login-title\">Come in</h1>") && html.contains(">Username<"));
    assert_eq!(pages.asset("mark.svg").unwrap().bytes.len(), 41);
    let html = pages.render(&page, &pages.locale(Some("he"), None, None)).unwrap();
    assert!(html.contains("<html lang=\"he\" dir=\"rtl\">") && html.contains("כניסה") && html.contains(">Username<"));
}

#[test]
fn overrides_that_do_not_work_are_refused_with_file_and_line() {
    let case = |name: &str, text: &str, wanted: &[&str]| {
        let message = refusal(&[(name, text)]);
        for part in wanted {
            assert!(message.contains(part), "{name}: {message}");
        }
    };
    case("login.html", "<p>\n{% if %}", &["/login.html:2: syntax error"]);
    case("login.html", "\n\n{{ usrname }}", &["/login.html:3: undefined value"]);
    case("error.html", "{{ t(\"no.such\") }}", &["/error.html:1: ", "no message `no.such`"]);
    case("part/client.html", "\n{{ asset(\"gone.png\") }}", &["/part/client.html:2: ", "no asset `gone.png`"]);
    case("home.html", "{% include \"part/gone.html\" %}", &["/home.html:1: ", "part/gone.html"]);
    case("home.html", "{% autoescape false %}{{ issuer }}{% endautoescape %}", &["/home.html:1: ", "escaping"]);
    case("logn.html", "", &["/logn.html: no page is called so", "login.html"]);
    case("locale/de.toml", "[login]\ntitle = 1", &["/locale/de.toml:2: `login.title`: must be text"]);
    case("locale/de.toml", "[login\n", &["/locale/de.toml:1: "]);
    case("locale/d_e.toml", "", &["/locale/d_e.toml: `d_e` is not a language tag"]);
    case("asset/run.exe", "", &["/asset/run.exe: not a kind of file"]);
    let absent = Pages::new(&frame(), Some(Path::new("/nonexistent/hallpass"))).unwrap_err();
    assert!(absent.to_string().starts_with("/nonexistent/hallpass"));
}
