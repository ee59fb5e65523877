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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Hallpass;
    use argh::ArgsInfo;

    fn read(words: &[&str]) -> Result<Line, Failure> {
        normalise(words.iter().map(OsString::from).collect(), &Hallpass::get_args_info())
    }

    fn arguments(words: &[&str]) -> Vec<String> {
        match read(words) {
            Ok(Line::Command { arguments, .. }) => arguments,
            other => panic!("{words:?}: {other:?}"),
        }
    }

    fn wrong(words: &[&str]) -> String {
        match read(words) {
            Err(Failure::Usage(command, line)) => format!("{command}: {line}"),
            other => panic!("{words:?}: {other:?}"),
        }
    }

    #[test]
    fn options_of_all_commands_may_stand_anywhere() {
        let normal = ["--config", "x.toml", "--json", "client", "show", "--", "wiki"];
        for words in [
            &["--config", "x.toml", "--json", "client", "show", "wiki"],
            &["client", "--config", "x.toml", "show", "--json", "wiki"],
            &["client", "show", "wiki", "--config", "x.toml", "--json"],
        ] {
            assert_eq!(arguments(words), normal, "{words:?}");
        }
        assert_eq!(arguments(&["client", "show", "wiki", "--config=x.toml", "--json"]), normal);
    }

    #[test]
    fn values_may_stand_behind_an_equals_sign_and_look_like_options() {
        let tail = |words: &[&str]| arguments(&[&["createclient", "--name=A"], words].concat()).split_off(3);
        assert_eq!(tail(&["--secret=-a=b"]), ["--secret", "-a=b"]);
        assert_eq!(tail(&["--secret", "--json"]), ["--secret", "--json"]);
        assert_eq!(tail(&["--scope="]), ["--scope", ""]);
    }

    #[test]
    fn the_id_of_a_key_may_begin_with_a_dash() {
        assert_eq!(arguments(&["key", "promote", "-x_"]), ["key", "promote", "--", "-x_"]);
        assert_eq!(arguments(&["key", "promote", "--", "--x"]), ["key", "promote", "--", "--x"]);
        assert_eq!(arguments(&["user", "show", "help"]), ["user", "show", "--", "help"]);
        assert_eq!(arguments(&["creatersakey", "--pem", "-"]), ["creatersakey", "--pem", "-"]);
    }

    #[test]
    fn help_is_found_wherever_it_is_asked_for() {
        let help = |path: &[&str]| Line::Help(path.iter().map(ToString::to_string).collect());
        for (words, path) in [
            (&[][..], &[][..]),
            (&["--help"], &[]),
            (&["help"], &[]),
            (&["client", "-h"], &["client"]),
            (&["help", "client", "show"], &["client", "show"]),
            (&["client", "show", "--help"], &["client", "show"]),
            (&["createclient", "--name", "x", "--help"], &["createclient"]),
        ] {
            assert_eq!(read(words), Ok(help(path)), "{words:?}");
        }
        assert_eq!(arguments(&["--version"]), ["version"]);
    }

    #[test]
    fn what_is_wrong_is_said_with_what_would_be_right() {
        for (words, line) in [
            (&["creatclient"][..], "hallpass: unknown command \"creatclient\"; did you mean createclient?"),
            (&["client", "lits"], "hallpass client: unknown command \"lits\"; did you mean list?"),
            (&["key", "rotate"], "hallpass key: unknown command \"rotate\"; did you mean promote?"),
            (&["--jsn"], "hallpass: unknown option --jsn; did you mean --json?"),
            (&["createuser", "--user", "x"], "hallpass createuser: unknown option --user; did you mean --username?"),
            (&["user", "list", "-x"], "hallpass user list: unknown option -x"),
            (&["--json=1", "version"], "hallpass: --json takes no value"),
            (&["createclient", "--name"], "hallpass createclient: --name needs a value: --name NAME"),
            (&["createclient"], "hallpass createclient: missing --name NAME"),
            (&["client", "show"], "hallpass client show: missing CLIENT_ID"),
            (&["key"], "hallpass key: a command is missing; there are list, promote, retire, delete and export"),
        ] {
            assert_eq!(wrong(words), line, "{words:?}");
        }
    }
}
