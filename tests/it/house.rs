//! The rules of the house: who may use whom, and what stands where.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// A source file: its path below `src`, its lines without comments.
struct Source {
    path: PathBuf,
    code: String,
    lines: usize,
    /// Whether it holds nothing but tests.
    is_test: bool,
}

impl Source {
    /// The directory, or the file, right below `src`: a room, or `lib` or `main`.
    fn room(&self) -> String {
        let first = self.path.components().next().unwrap();
        Path::new(first.as_os_str()).file_stem().unwrap().to_str().unwrap().to_owned()
    }

    /// The modules in files of their own that are compiled for tests only, as paths below `src` without an ending.
    fn test_modules(&self) -> Vec<PathBuf> {
        let directory = match self.path.file_name().unwrap().to_str().unwrap() {
            "mod.rs" | "lib.rs" => self.path.with_file_name(""),
            _ => self.path.with_extension(""),
        };
        let module = |code: &str| Some(directory.join(code.split_once("mod ")?.1.split_once(';')?.0));
        let lines: Vec<&str> = self.code.lines().collect();
        lines.windows(2).filter(|pair| pair[0] == "#[cfg(test)]").filter_map(|pair| module(pair[1])).collect()
    }

    /// What runs in the program, and what only tests it.
    fn halves(&self) -> (&str, &str) {
        let end = if self.is_test { 0 } else { self.code.find("\nmod tests {").unwrap_or(self.code.len()) };
        self.code.split_at(end)
    }

    /// Whether there is this word in its code.
    fn has(&self, word: &str) -> bool {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        self.code.match_indices(word).any(|(at, _)| {
            let before = self.code[..at].chars().next_back();
            let after = self.code[at + word.len()..].chars().next();
            !(word.starts_with(is_word) && before.is_some_and(is_word)
                || word.ends_with(is_word) && after.is_some_and(is_word))
        })
    }

    fn name(&self) -> String {
        self.path.display().to_string()
    }
}

fn sources() -> Vec<Source> {
    let mut sources = read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    let tests: Vec<PathBuf> = sources.iter().flat_map(Source::test_modules).collect();
    for source in &mut sources {
        let module = source.path.with_extension("");
        let name = module.file_name().unwrap().to_str().unwrap();
        source.is_test = name.ends_with("_tests") || tests.iter().any(|test| module.starts_with(test));
    }
    sources
}

/// All files below a directory, in order.
fn read(root: &Path) -> Vec<Source> {
    let mut found = Vec::new();
    let mut directories = vec![root.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                found.push(Source {
                    path: path.strip_prefix(root).unwrap().to_owned(),
                    code: text.lines().map(without_comment).collect::<Vec<_>>().join("\n"),
                    lines: text.lines().count(),
                    is_test: false,
                });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// A comment begins the line or follows a space; `//` in an address follows a colon.
fn without_comment(line: &str) -> &str {
    if line.trim_start().starts_with("//") { "" } else { line.split_once(" // ").map_or(line, |(code, _)| code) }
}

/// The crate doc, without its marks.
fn crate_doc() -> String {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).unwrap();
    let lines = text.lines().filter_map(|line| line.strip_prefix("//!"));
    lines.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect::<Vec<_>>().join("\n")
}

/// Which rooms each room may use, as the crate doc has it.
fn table() -> BTreeMap<String, Vec<String>> {
    let doc = crate_doc();
    let block = doc.split("```text\n").nth(1).unwrap().split("```").next().unwrap();
    let row = |line: &str| {
        let (room, uses) = line.split_once(':').unwrap();
        (room.to_owned(), uses.split_whitespace().map(ToOwned::to_owned).collect())
    };
    block.lines().map(row).collect()
}

/// Which rooms are on each floor, from the top.
fn floors() -> Vec<Vec<String>> {
    let doc = crate_doc();
    let rows = doc.lines().filter(|line| line.starts_with("| ") && line.contains("[`"));
    rows.map(|row| row.split('`').skip(1).step_by(2).map(ToOwned::to_owned).collect()).collect()
}

/// The first segments of all `crate::…` paths in some code: `crate::{a::b, c}` has `a` and `c`.
fn used_rooms(code: &str) -> BTreeSet<String> {
    code.split("crate::").skip(1).flat_map(first_segments).collect()
}

fn first_segments(path: &str) -> Vec<String> {
    let word = |text: &str| {
        let text = text.trim_start();
        text[..text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len())].to_owned()
    };
    let Some(group) = path.strip_prefix('{') else { return vec![word(path)] };
    let mut found = vec![word(group)];
    let mut depth = 1;
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => found.push(word(&group[at + 1..])),
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    found.retain(|word| !word.is_empty());
    found
}

#[test]
fn house_paths_are_found_however_they_are_written() {
    let code = "use crate::store::{Store, b};\nuse crate::{app::{App, fault::Fault}, base, model::id::{A, B},\n};\n\
                let x = crate::page::y(); pub(in crate::jose) fn z() {}";
    let found = used_rooms(code);
    assert_eq!(found.iter().map(String::as_str).collect::<Vec<_>>(), ["app", "base", "jose", "model", "page", "store"]);
    assert_eq!(without_comment("//! see crate::app"), "");
    assert_eq!(without_comment("let a = \"https://a\"; // crate::app"), "let a = \"https://a\";");
}

#[test]
fn house_rooms_use_only_what_the_table_allows() {
    let (table, floors) = (table(), floors());
    let floor = |room: &String| floors.iter().position(|floor| floor.contains(room));
    let mut used: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for source in sources() {
        let (name, room) = (source.name(), source.room());
        let Some(allowed) = table.get(&room) else {
            assert!(["lib", "main"].contains(&room.as_str()), "src/lib.rs does not say what `{room}` may use");
            continue;
        };
        let (product, tests) = source.halves();
        for other in used_rooms(product).into_iter().filter(|other| *other != room) {
            assert!(allowed.contains(&other), "{name}: `{room}` must not use `{other}`");
            used.entry(room.clone()).or_default().insert(other);
        }
        for other in used_rooms(tests).into_iter().filter(|other| *other != room) {
            let is_below = floor(&room) < floor(&other);
            assert!(is_below || allowed.contains(&other), "{name}: tests of `{room}` must not use `{other}`");
        }
        for other in table.keys() {
            assert!(!source.has(&format!("super::{other}::")), "{name}: begin with `crate::{other}`");
        }
    }
    for (room, allowed) in &table {
        let used = used.remove(room).unwrap_or_default();
        for other in allowed {
            assert!(used.contains(other), "`{room}` does not use `{other}`: take that out of src/lib.rs");
        }
    }
}

#[test]
fn house_the_table_has_every_room_and_goes_down() {
    let (table, floors) = (table(), floors());
    let rooms: BTreeSet<String> =
        sources().iter().map(Source::room).filter(|room| room != "lib" && room != "main").collect();
    assert_eq!(table.keys().cloned().collect::<BTreeSet<_>>(), rooms, "the table of src/lib.rs");
    assert_eq!(floors.concat().into_iter().collect::<BTreeSet<_>>(), rooms, "the floors of src/lib.rs");
    let floor = |room: &String| floors.iter().position(|floor| floor.contains(room)).unwrap();
    for (room, uses) in &table {
        for other in uses {
            assert!(floor(room) <= floor(other), "`{other}` is above `{room}`");
        }
    }
    // A room is finished when all that it uses is; a circle never is.
    let mut finished: BTreeSet<&String> = BTreeSet::new();
    while finished.len() < table.len() {
        let before = finished.len();
        for (room, uses) in &table {
            if uses.iter().all(|other| finished.contains(other)) {
                finished.insert(room);
            }
        }
        assert!(finished.len() > before, "the rooms but {finished:?} use each other in a circle");
    }
}

#[test]
fn house_files_are_small_and_named_for_what_they_hold() {
    for source in sources() {
        let limit = if source.name() == "main.rs" { 30 } else { 650 };
        assert!(source.lines <= limit, "{} has {} lines, more than {limit}", source.name(), source.lines);
        for name in source.path.with_extension("").iter().map(|part| part.to_str().unwrap()) {
            for vague in ["util", "helper", "common", "misc", "manager", "service", "impl"] {
                assert!(!name.split('_').any(|word| word.trim_end_matches('s') == vague), "{}", source.name());
            }
        }
    }
}

#[test]
fn house_what_belongs_in_one_place_is_there_only() {
    for source in sources() {
        let name = source.name();
        if name != "base/clock.rs" {
            assert!(!source.has("SystemTime::now"), "{name}: the time comes from base::clock");
        }
        if source.room() != "settings" && !source.is_test {
            for read in ["env::var", "env::vars", "env::var_os", "env::vars_os"] {
                assert!(!source.has(read), "{name}: the environment is read in `settings`");
            }
        }
        if source.room() != "store" && !source.is_test {
            assert!(!source.has("redb::"), "{name}: rows are for `store`");
        }
        for word in ["unsafe {", "unsafe fn", "unsafe impl"] {
            assert!(!source.has(word), "{name}: {word}");
        }
    }
}

#[test]
fn house_the_lower_floors_never_wait_and_never_open_a_file() {
    for source in sources() {
        if ["base", "jose", "model", "protocol"].contains(&source.room().as_str()) {
            for word in ["async", "await", "tokio", "std::fs", "File::open", "Clock::System"] {
                assert!(!source.has(word), "{}: {word}", source.name());
            }
        }
    }
}

#[test]
fn house_no_test_sleeps() {
    let sleeps = |code: &str| code.contains(concat!("sleep", "("));
    for source in read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it")) {
        assert!(!sleeps(&source.code), "tests/it/{}: a test that sleeps is slow or wrong", source.name());
    }
    for source in sources() {
        assert!(!sleeps(source.halves().1), "{}: a test that sleeps is slow or wrong", source.name());
    }
}
