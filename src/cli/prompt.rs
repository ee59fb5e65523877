//! What is asked at a terminal, or read from standard input.

use std::io::{self, BufRead, IsTerminal, Read};

use super::failure::Failure;
use super::output;
use crate::app::password::MAX_PASSWORD;
use crate::base::encode::base64url;
use crate::base::random::Random;
use crate::base::secret::Secret;

/// How often a password that was typed differently the second time may be typed again.
const ATTEMPTS: usize = 3;

/// Whether somebody is there to answer.
pub(super) fn is_attended() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// A password for `username`: from standard input if that is wanted, else from whoever sits at the terminal.
///
/// # Errors
/// [`Failure::Usage`] for the command at `path` when there is neither.
pub(super) fn password(username: &str, stdin: bool, path: &[&str]) -> Result<Secret, Failure> {
    if stdin {
        return from_stdin();
    }
    if !is_attended() {
        let path: Vec<String> = path.iter().map(ToString::to_string).collect();
        return Err(Failure::usage(&path, "there is no terminal to ask for a password: use --password-stdin"));
    }
    typed(&format!("Password for {username}: "), false)
}

/// A client's secret, if one is given: as an argument, which everybody on the machine may see while the command runs, or on
/// standard input.
///
/// # Errors
/// [`Failure::Usage`] for the command at `path` when there are both.
pub(super) fn secret(given: Option<String>, stdin: bool, path: &[&str]) -> Result<Option<Secret>, Failure> {
    match (given, stdin) {
        (Some(_), true) => {
            let path: Vec<String> = path.iter().map(ToString::to_string).collect();
            Err(Failure::usage(&path, "--secret and --secret-stdin exclude each other"))
        }
        (None, true) => from_stdin().map(Some),
        (given, false) => Ok(given.map(Secret::from)),
    }
}

/// A password typed twice without being shown; an empty one only where it `may_be_empty`.
pub(super) fn typed(prompt: &str, may_be_empty: bool) -> Result<Secret, Failure> {
    let ask = |prompt: &str| {
        rpassword::prompt_password(prompt)
            .map(Secret::from)
            .map_err(|error| Failure::failed(format!("the terminal can't be read: {error}")))
    };
    for _ in 0..ATTEMPTS {
        let first = ask(prompt)?;
        if first.is_empty() {
            if may_be_empty {
                return Ok(first);
            }
            output::note("The password is empty.");
            continue;
        }
        if first.matches(ask("The same again: ")?.expose()) {
            return Ok(first);
        }
        output::note("These two differ.");
    }
    Err(Failure::failed("no password was set"))
}

/// All of standard input but one line end.
fn from_stdin() -> Result<Secret, Failure> {
    let mut text = String::new();
    let bound = u64::try_from(MAX_PASSWORD + 3).unwrap_or(u64::MAX);
    io::stdin()
        .lock()
        .take(bound)
        .read_to_string(&mut text)
        .map_err(|error| Failure::failed(format!("standard input can't be read: {error}")))?;
    let text = Secret::from(text);
    let line = text.expose().strip_suffix('\n').unwrap_or(text.expose());
    Ok(Secret::new(line.strip_suffix('\r').unwrap_or(line)))
}

/// A line typed at the terminal; the default when it is empty.
pub(super) fn line(question: &str, default: &str) -> Result<String, Failure> {
    output::note(&format!("{question} [{default}]"));
    let mut line = String::new();
    io::stdin()
        .lock()
        .read_line(&mut line)
        .map_err(|error| Failure::failed(format!("the terminal can't be read: {error}")))?;
    let line = line.trim();
    Ok(if line.is_empty() { default.to_owned() } else { line.to_owned() })
}

/// A password that nobody had to think of: 144 random bits.
pub(super) fn generated(random: &Random) -> Secret {
    Secret::new(base64url(random.bytes::<18>()))
}
