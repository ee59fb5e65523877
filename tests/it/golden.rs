//! What people and programs read, word for word: pages, help, the settings file, the discovery document. After a change that is meant,
//! `HALLPASS_BLESS=1 cargo test golden` writes the files again; the diff shows what it did.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use hallpass::page::{Frame, Pages};

/// Holds texts, each with the name of its file, against the files of a folder below `tests/it/golden`. There must be no other files.
#[track_caller]
pub fn check(folder: &str, ending: &str, texts: &[(String, String)]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden").join(folder);
    let file = |name: &str| folder.join(format!("{name}.{ending}"));
    if std::env::var_os("HALLPASS_BLESS").is_some() {
        fs::create_dir_all(&folder).unwrap();
        for old in files(&folder, ending) {
            fs::remove_file(old).unwrap();
        }
        for (name, text) in texts {
            fs::write(file(name), text).unwrap();
        }
    }
    for (name, text) in texts {
        let path = file(name);
        let golden = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        if let Some((line, (was, is))) = golden.lines().zip(text.lines()).enumerate().find(|(_, (was, is))| was != is) {
            panic!("{}:{}\n  was: {was}\n   is: {is}\nHALLPASS_BLESS=1 takes it over", path.display(), line + 1);
        }
        assert_eq!(golden, *text, "{}: the one goes on where the other ends", path.display());
    }
    let expected: BTreeSet<PathBuf> = texts.iter().map(|(name, _)| file(name)).collect();
    assert_eq!(files(&folder, ending), expected, "files that nothing is held against");
}

fn files(folder: &Path, ending: &str) -> BTreeSet<PathBuf> {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|other| other == ending)).collect()
}

/// What a command says on standard output, without its settings.
fn output(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_hallpass")).args(arguments).env_clear().output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The names under `Commands:`.
fn commands(help: &str) -> Vec<&str> {
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    // What is described in further lines is indented further.
    lines.filter_map(|line| line.strip_prefix("  ").filter(|line| !line.starts_with(' '))?.split(' ').next()).collect()
}

#[test]
fn golden_pages_look_as_they_did() {
    let frame = Frame { base: "/idp".to_owned(), product: "hallpass".to_owned(), ..Frame::default() };
    let pages = Pages::new(&frame, None).unwrap();
    let locale = pages.locale(None, None, Some("en"));
    let samples = pages.samples(&locale).unwrap().into_iter().map(|page| (page.name, without_versions(&page.html)));
    check("page", "html", &samples.collect::<Vec<_>>());
}

#[test]
fn golden_templates_are_described() {
    check("", "md", &[("CONTEXT".to_owned(), hallpass::page::contexts().unwrap())]);
}

/// A page as it was before the versions of its assets were known, which change with every line of the style sheet.
fn without_versions(html: &str) -> String {
    let mut parts = html.split("?v=");
    let first = parts.next().unwrap().to_owned();
    parts.fold(first, |page, part| page + "?v=VERSION" + &part[part.find('"').unwrap()..])
}

#[test]
fn golden_every_command_has_its_help() {
    let mut texts = vec![("hallpass".to_owned(), output(&["--help"]))];
    for command in commands(&texts[0].1.clone()) {
        let help = output(&[command, "--help"]);
        for below in commands(&help) {
            texts.push((format!("{command}-{below}"), output(&[command, below, "--help"])));
        }
        texts.push((command.to_owned(), help));
    }
    assert!(texts.len() > 20, "{texts:?}");
    for (name, text) in &texts {
        assert!(text.lines().all(|line| line.chars().count() <= 120), "{name} has a long line");
    }
    check("help", "txt", &texts);
}

/// What stands around the reference of the settings in the README.
const REFERENCE: [&str; 2] =
    ["<!-- settings: written by HALLPASS_BLESS=1 cargo test golden -->\n", "<!-- end of settings -->\n"];

#[test]
fn golden_the_readme_has_all_settings() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = fs::read_to_string(&path).unwrap();
    let [begin, end] = REFERENCE;
    let (before, rest) = readme.split_once(begin).unwrap();
    let (written, after) = rest.split_once(end).unwrap();
    let reference = format!("\n{}\n", hallpass::settings::reference());
    if std::env::var_os("HALLPASS_BLESS").is_some() {
        fs::write(&path, [before, begin, &reference, end, after].concat()).unwrap();
    } else {
        assert_eq!(written, reference, "HALLPASS_BLESS=1 takes it over");
    }
}

#[test]
fn golden_the_settings_file_is_documented() {
    let text = output(&["config", "default"]);
    check("", "toml", &[("hallpass".to_owned(), text.clone())]);
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("hallpass.toml");
    fs::write(&file, text.replace("#issuer = ", "issuer = ")).unwrap();
    output(&["--config", file.to_str().unwrap(), "config", "show"]);
}
