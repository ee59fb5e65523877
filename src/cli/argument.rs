//! The command line as people type it, turned once into the one form that argh understands.
//!
//! argh takes options at their own level only and no `--option=value`. Here `--config` and `--json` are moved to the front
//! from wherever they stand, `=` is taken apart, and what is unknown is answered with the nearest name that is known.

use std::ffi::OsString;

use argh::{CommandInfoWithArgs, FlagInfo, FlagInfoKind, Optionality};

use super::failure::Failure;
use crate::base::nearest::nearest;

/// What a command line asks for.
#[derive(Debug, PartialEq)]
pub(super) enum Line {
    /// What the command at this path is for.
    Help(Vec<String>),
    /// A command.
    Command {
        /// Its name: one word, or two.
        path: Vec<String>,
        /// For argh: options of all commands, then `path`, its options, `--`, and what is no option.
        arguments: Vec<String>,
    },
}

/// The line so far.
struct Reader<'a> {
    root: &'a CommandInfoWithArgs,
    /// The command that was reached.
    command: &'a CommandInfoWithArgs,
    path: Vec<String>,
    help: bool,
    /// Options of all commands.
    global: Vec<String>,
    /// The command's own.
    options: Vec<String>,
    positionals: Vec<String>,
}

/// Reads the arguments behind the program's name.
///
/// # Errors
/// [`Failure::Usage`]: an unknown command or option, one without its value, or one that is missing.
pub(super) fn normalise(arguments: Vec<OsString>, root: &CommandInfoWithArgs) -> Result<Line, Failure> {
    let mut reader = Reader {
        root,
        command: root,
        path: Vec::new(),
        help: arguments.is_empty(),
        global: Vec::new(),
        options: Vec::new(),
        positionals: Vec::new(),
    };
    let mut rest = arguments.into_iter().map(|argument| {
        argument.into_string().map_err(|bad| {
            Failure::usage(&[], format!("the argument {:?} is not valid UTF-8 text", bad.to_string_lossy()))
        })
    });
    while let Some(argument) = rest.next() {
        let argument = argument?;
        match argument.as_str() {
            "--" => {
                reader.positionals.extend(rest.by_ref().collect::<Result<Vec<_>, _>>()?);
            }
            "-h" | "--help" => reader.help = true,
            "-V" | "--version" if reader.path.is_empty() => reader.enter("version")?,
            "help" if !reader.command.commands.is_empty() => reader.help = true,
            option if reader.is_option(option) => reader.option(option, &mut rest)?,
            word if !reader.command.commands.is_empty() => reader.enter(word)?,
            _ => reader.positionals.push(argument),
        }
    }
    reader.finish()
}

impl Reader<'_> {
    /// Goes down to a command of the current one.
    fn enter(&mut self, name: &str) -> Result<(), Failure> {
        let Some(found) = self.command.commands.iter().find(|command| command.name == name) else {
            let known = self.commands();
            let hint = match nearest(name, known.iter().copied()) {
                Some(near) => format!("did you mean {near}?"),
                None => format!("there are {}", names(&known)),
            };
            return Err(self.wrong(format!("unknown command {name:?}; {hint}")));
        };
        self.command = &found.command;
        self.path.push(name.to_owned());
        Ok(())
    }

    /// Whether a word is meant as an option. The id of a key may begin with a dash, and no command has options of one
    /// letter, so a single dash where an argument can stand begins an argument.
    fn is_option(&self, word: &str) -> bool {
        word.starts_with("--") || (word.starts_with('-') && word.len() > 1 && self.command.positionals.is_empty())
    }

    /// Takes an option, and its value if it has one.
    fn option(&mut self, text: &str, rest: &mut impl Iterator<Item = Result<String, Failure>>) -> Result<(), Failure> {
        let (name, inline) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (text, None),
        };
        let (flag, is_global) = match (flag(self.root, name), flag(self.command, name)) {
            (Some(flag), _) => (flag, true),
            (None, Some(flag)) => (flag, false),
            (None, None) => return Err(self.unknown(name)),
        };
        let value = match (&flag.kind, inline) {
            (FlagInfoKind::Switch, None) => None,
            (FlagInfoKind::Switch, Some(_)) => return Err(self.wrong(format!("{name} takes no value"))),
            (FlagInfoKind::Option { .. }, Some(value)) => Some(value),
            (FlagInfoKind::Option { arg_name }, None) => match rest.next() {
                Some(value) => Some(value?),
                None => return Err(self.wrong(format!("{name} needs a value: {name} {arg_name}"))),
            },
        };
        let list = if is_global { &mut self.global } else { &mut self.options };
        list.push(flag.long.to_owned());
        list.extend(value);
        Ok(())
    }

    /// The names of the commands below this one.
    fn commands(&self) -> Vec<&'static str> {
        self.command.commands.iter().map(|command| command.name).collect()
    }

    fn unknown(&self, name: &str) -> Failure {
        let known = self.command.flags.iter().chain(self.root.flags).map(|flag| flag.long);
        let hint = nearest(name, known).map_or_else(String::new, |near| format!("; did you mean {near}?"));
        self.wrong(format!("unknown option {name}{hint}"))
    }

    fn wrong(&self, line: String) -> Failure {
        Failure::usage(&self.path, line)
    }

    fn finish(self) -> Result<Line, Failure> {
        if self.help {
            return Ok(Line::Help(self.path));
        }
        if !self.command.commands.is_empty() {
            return Err(self.wrong(format!("a command is missing; there are {}", names(&self.commands()))));
        }
        let required = |optionality: &Optionality| matches!(optionality, Optionality::Required);
        let flags = self.command.flags.iter().filter(|flag| required(&flag.optionality));
        let missing =
            flags.filter(|flag| !self.options.iter().any(|given| given == flag.long)).map(|flag| match flag.kind {
                FlagInfoKind::Option { arg_name } => format!("{} {arg_name}", flag.long),
                FlagInfoKind::Switch => flag.long.to_owned(),
            });
        let positionals = self.command.positionals.iter().skip(self.positionals.len());
        let absent = positionals.filter(|positional| required(&positional.optionality));
        let missing: Vec<String> = missing.chain(absent.map(|positional| positional.name.to_owned())).collect();
        if !missing.is_empty() {
            return Err(self.wrong(format!("missing {}", names(&missing))));
        }
        let mut arguments = self.global;
        arguments.extend(self.path.iter().cloned());
        arguments.extend(self.options);
        if !self.positionals.is_empty() {
            arguments.push("--".into());
            arguments.extend(self.positionals);
        }
        Ok(Line::Command { path: self.path, arguments })
    }
}

fn flag(command: &CommandInfoWithArgs, name: &str) -> Option<&'static FlagInfo<'static>> {
    command.flags.iter().find(|flag| flag.long == name)
}

/// `a, b and c`.
fn names<S: AsRef<str>>(names: &[S]) -> String {
    let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
    match names.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
        None => String::new(),
    }
}
