//! What `--help` says, from the same definitions that the options are parsed with.

use argh::{CommandInfoWithArgs, FlagInfo, FlagInfoKind, Optionality, PositionalInfo};

/// argh lists it among each command's own options.
const HELP: &str = "--help";

/// Lines are broken before this column, and descriptions begin no further right than that one.
const WIDTH: usize = 100;
const COLUMN: usize = 34;

/// The help of the command at `path`, below `root`.
pub(super) fn render(root: &CommandInfoWithArgs, path: &[String]) -> String {
    let mut command = root;
    let mut name = String::from("hallpass");
    for word in path {
        let Some(found) = command.commands.iter().find(|command| command.name == word) else { break };
        command = &found.command;
        name.push(' ');
        name.push_str(word);
    }
    let mut text = format!("{}\n\nUsage: {name}{}\n", command.description, usage(command));
    let rows = |flags: &'static [FlagInfo<'static>]| -> Vec<(String, &'static str)> {
        flags.iter().filter(|flag| flag.long != HELP).map(|flag| (spell(flag), flag.description)).collect()
    };
    let positionals = command.positionals.iter();
    let positionals: Vec<_> =
        positionals.map(|positional| (positional.name.to_owned(), positional.description)).collect();
    section(&mut text, "Arguments:", &positionals);
    if !path.is_empty() {
        section(&mut text, "Options:", &rows(command.flags));
    }
    let commands = command.commands.iter();
    let commands: Vec<_> = commands.map(|command| (command.name.to_owned(), command.command.description)).collect();
    section(&mut text, "Commands:", &commands);
    let mut global = rows(root.flags);
    global.push((format!("-h, {HELP}"), "this help"));
    section(&mut text, "Options of every command:", &global);
    lines(&mut text, "Examples:", command.examples);
    lines(&mut text, "Notes:", command.notes);
    text.pop();
    text
}

/// What stands behind the name of a command in its usage line.
fn usage(command: &CommandInfoWithArgs) -> String {
    let mut text = String::new();
    if !command.commands.is_empty() {
        text.push_str(" COMMAND");
    }
    let own = || command.flags.iter().filter(|flag| flag.long != HELP);
    for flag in own().filter(|flag| flag.optionality == Optionality::Required) {
        text.push(' ');
        text.push_str(&spell(flag));
    }
    if own().any(|flag| flag.optionality != Optionality::Required) || !command.commands.is_empty() {
        text.push_str(" [OPTIONS]");
    }
    for PositionalInfo { name, optionality, .. } in command.positionals {
        let shown = match optionality {
            Optionality::Required => format!(" {name}"),
            Optionality::Optional => format!(" [{name}]"),
            Optionality::Repeating | Optionality::Greedy => format!(" [{name} …]"),
        };
        text.push_str(&shown);
    }
    text
}

/// An option with the name of its value.
fn spell(flag: &FlagInfo<'_>) -> String {
    let again = if flag.optionality == Optionality::Repeating { " …" } else { "" };
    match flag.kind {
        FlagInfoKind::Switch => flag.long.to_owned(),
        FlagInfoKind::Option { arg_name } => format!("{} {arg_name}{again}", flag.long),
    }
}

/// Two columns: what can be written, and what it means.
fn section(text: &mut String, title: &str, rows: &[(String, &str)]) {
    if rows.is_empty() {
        return;
    }
    text.push_str(&format!("\n{title}\n"));
    let column = rows.iter().map(|(left, _)| left.chars().count() + 4).max().unwrap_or_default().min(COLUMN);
    for (left, right) in rows {
        let mut line = format!("  {left}");
        if line.chars().count() + 2 > column {
            text.push_str(&line);
            text.push('\n');
            line.clear();
        }
        for word in right.split(' ') {
            let length = line.chars().count();
            if length.max(column) + word.chars().count() + 1 > WIDTH {
                text.push_str(&line);
                text.push('\n');
                line.clear();
            }
            let length = line.chars().count();
            let gap = if length < column { column - length } else { 1 };
            line.push_str(&" ".repeat(gap));
            line.push_str(word);
        }
        text.push_str(&line);
        text.push('\n');
    }
}

fn lines(text: &mut String, title: &str, lines: &[&str]) {
    if !lines.is_empty() {
        text.push_str(&format!("\n{title}\n"));
        for line in lines {
            text.push_str(&format!("  {line}\n"));
        }
    }
}
