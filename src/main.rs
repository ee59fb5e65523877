//! The command line's doormat: everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    hallpass::cli::run(std::env::args_os().skip(1))
}
