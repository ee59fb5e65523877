//! What others expect of a provider, line by line: the behaviours of django-oidc-provider, its faults, the modules of the OpenID
//! Foundation's conformance plans. The tables in `golden/coverage` name for each line the tests that hold us to it;
//! `cargo test coverage -- --nocapture` prints them.
//!
//! A table has sections, `[name]`. A line begins with its name, and what belongs to it is indented: tests, of this binary as
//! `file::test`, of the library as `crate::module::test`, in a real browser as a file below `tests/client`; `differs:` where we
//! do something else on purpose, which its tests show; `none:` with the reason why there is nothing to test.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use hallpass::settings::KEYS;

/// A line of a table.
#[derive(Debug)]
struct Line {
    name: String,
    text: String,
    differs: Option<String>,
    none: Option<String>,
    tests: Vec<String>,
}

/// The sections of a table with their lines, in their order.
type Sections = Vec<(String, Vec<Line>)>;

/// Reads a table, prints it, and holds it against the sources: each line has a test that exists, or a reason.
fn check(file: &str) -> Sections {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden/coverage").join(file);
    let sections = parse(&fs::read_to_string(path).unwrap());
    let known = tests();
    for (section, lines) in &sections {
        show(section, lines);
        let mut names = BTreeSet::new();
        for line in lines {
            let place = format!("{file}, [{section}], {}", line.name);
            assert!(names.insert(&line.name), "{place} stands twice");
            assert_ne!(line.tests.is_empty(), line.none.is_none(), "{place}: either tests or why there are none");
            for test in &line.tests {
                assert!(known.contains(test), "{place}: there is no test {test}");
            }
        }
    }
    sections
}

#[allow(clippy::print_stdout, reason = "for whoever runs it with --nocapture")]
fn show(section: &str, lines: &[Line]) {
    println!("\n[{section}]");
    for line in lines {
        println!("{:<14}  {}", line.name, line.text);
        let differs = line.differs.iter().map(|text| format!("differs: {text}"));
        let none = line.none.iter().map(|text| format!("none: {text}"));
        differs.chain(none).chain(line.tests.iter().cloned()).for_each(|text| println!("{:<14}  {text}", ""));
    }
    let untested = lines.iter().filter(|line| line.tests.is_empty()).count();
    println!("-- {} lines, {untested} without a test", lines.len());
}

fn parse(table: &str) -> Sections {
    let mut sections = Sections::new();
    for text in table.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(section) = text.strip_prefix('[') {
            sections.push((section.strip_suffix(']').unwrap().to_owned(), Vec::new()));
            continue;
        }
        let (_, lines) = sections.last_mut().unwrap_or_else(|| panic!("no section before {text}"));
        if !text.starts_with(' ') {
            let (name, text) = text.split_once(' ').unwrap_or((text, ""));
            let text = text.trim().to_owned();
            lines.push(Line { name: name.to_owned(), text, differs: None, none: None, tests: Vec::new() });
            continue;
        }
        let line = lines.last_mut().unwrap_or_else(|| panic!("no line before {text}"));
        let said = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        match text.trim().split_once(": ") {
            Some(("differs", text)) => line.differs = said(text),
            Some(("none", text)) => line.none = said(text),
            _ => line.tests.extend(text.split_whitespace().map(ToOwned::to_owned)),
        }
    }
    sections
}

/// All tests of this binary and of the library, by the path of their file, and the files that `tests/client/run` runs.
fn tests() -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let run = fs::read_to_string(root.join("tests/client/run")).unwrap();
    let words = run.split([' ', ';', '\n']).filter(|word| word.starts_with("tests/client/") && word.ends_with(".mjs"));
    let mut found: BTreeSet<String> = words.map(ToOwned::to_owned).collect();
    collect(&root.join("tests/it"), "", &mut found);
    collect(&root.join("src"), "crate::", &mut found);
    found
}

fn collect(folder: &Path, prefix: &str, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            collect(&path, &format!("{prefix}{name}::"), found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let module = if name == "mod" { prefix.to_owned() } else { format!("{prefix}{name}::") };
            let text = fs::read_to_string(&path).unwrap();
            found.extend(tests_in(&text).into_iter().map(|test| format!("{module}{test}")));
        }
    }
}

/// The functions behind `#[test]` and `#[tokio::test]` that aren't ignored, and those that are run against every engine.
fn tests_in(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let (mut is_test, mut in_contract) = (false, false);
    for line in text.lines().map(str::trim) {
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            is_test = true;
        } else if line.starts_with("#[ignore") {
            is_test = false;
        } else if let Some((_, rest)) = line.split_once("fn ").filter(|_| is_test) {
            found.push(rest.split(['(', '<']).next().unwrap());
            is_test = false;
        } else if line == "for_every_engine! {" {
            in_contract = true;
        } else if in_contract && line == "}" {
            in_contract = false;
        } else if in_contract {
            found.extend(line.split_whitespace());
        }
    }
    found
}

#[test]
fn coverage_tests_are_found_in_the_sources() {
    let text = "#[test]\nfn one() {}\n#[tokio::test(flavor = \"x\")]\n#[cfg(unix)]\nasync fn two() {}\nfn none() {}\n\
                #[test]\n#[ignore]\nfn ignored() {}\nfor_every_engine! {\n    three\n    four\n}\nfn five() {}";
    assert_eq!(tests_in(text), ["one", "two", "three", "four"]);
    let known = tests();
    for test in [
        "coverage::coverage_tests_are_found_in_the_sources",
        "hostile::parameter::every_address_is_walked",
        "crate::store::contract::grant::rfc6749_4_1_2_a_code_is_redeemed_once",
        "crate::page::tests::contract::contract_login",
    ] {
        assert!(known.contains(test), "{test}");
    }
}

/// The sections of the conformance plans, and how many modules each one has.
const PLANS: [usize; 10] = [38, 27, 4, 32, 4, 1, 1, 1, 11, 2];

#[test]
fn coverage_of_the_conformance_plans() {
    let sections = check("conformance.txt");
    let modules: Vec<usize> = sections.iter().map(|(_, lines)| lines.len()).collect();
    assert_eq!(modules, PLANS);
    let without: Vec<_> = untested(&sections);
    assert_eq!(without, ["oidcc-idtoken-unsigned"]);
}

#[test]
fn coverage_of_the_rules_of_the_conformance_suite() {
    let sections = check("rules.txt");
    let rules: Vec<usize> = sections.iter().map(|(_, lines)| lines.len()).collect();
    assert_eq!(rules, [3, 7, 6, 9, 3, 2]);
    assert_eq!(untested(&sections), ["distributed", "response", "cleanup"]);
}

/// The lines that have a reason instead of a test.
fn untested(sections: &Sections) -> Vec<&str> {
    let lines = sections.iter().flat_map(|(_, lines)| lines);
    lines.filter(|line| line.tests.is_empty()).map(|line| line.name.as_str()).collect()
}

#[test]
fn coverage_of_the_behaviours_of_django_oidc_provider() {
    let sections = check("parity.txt");
    let lines: Vec<&str> = sections.iter().flat_map(|(_, lines)| names(lines)).collect();
    let numbers: Vec<usize> = lines.iter().filter_map(|name| name.parse().ok()).collect();
    assert_eq!(numbers, (1..=109).collect::<Vec<_>>());
    // Three tests of the branch after the last release, and what it has no tests for.
    assert_eq!(lines.len(), 109 + 3 + 21);
    assert!(untested(&sections).is_empty());
}

#[test]
fn coverage_of_the_faults_of_django_oidc_provider() {
    let sections = check("faults.txt");
    let numbers: Vec<usize> = names(&sections[0].1).into_iter().map(|name| name.parse().unwrap()).collect();
    assert_eq!(numbers, (1..=20).collect::<Vec<_>>());
    assert_eq!((sections.len(), sections[1].1.len()), (2, 9));
    assert!(untested(&sections).is_empty());
}

#[test]
fn coverage_of_what_can_be_changed_of_django_oidc_provider() {
    let sections = check("extension.txt");
    let lines: Vec<usize> = sections.iter().map(|(_, lines)| lines.len()).collect();
    assert_eq!(lines, [15, 9, 8, 2, 5]);
    assert!(untested(&sections).is_empty());
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let table = readme.split_once("## Coming from django-oidc-provider").unwrap().1;
    for line in sections.iter().flat_map(|(_, lines)| lines) {
        // Ours, without the words between them.
        for key in line.text.split([' ', ',']).filter(|word| word.contains('.')) {
            assert!(KEYS.iter().any(|known| known.name() == key), "{}: {key} is no setting", line.name);
        }
        let is_theirs = line.name.contains("OIDC_") || line.name.contains("consent") || line.name == "SITE_URL";
        assert!(!is_theirs || table.contains(&format!("`{}`", line.name)), "{} is not in the README", line.name);
    }
}

fn names(lines: &[Line]) -> Vec<&str> {
    lines.iter().map(|line| line.name.as_str()).collect()
}
