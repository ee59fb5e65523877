//! The command line's doormat: everything is in the library.
fn main() {}
