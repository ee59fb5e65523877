//! Input that nobody means well with, over real sockets: each row of the table of what bad input gets.
//!
//! [`endpoint`] is a table of every address with every parameter that it reads, and [`scene`] makes a request to each row that is
//! right. [`parameter`] walks the table and puts one thing wrong at a time. The other files break what stands around parameters:
//! heads, bodies, cookies and other values that are secrets, and what is given to commands. [`verdict`] says what an answer means
//! and whether it has its endpoint's form. [`watch`] looks over everything that comes back, and everything that is logged
//! meanwhile.

mod body;
mod command;
mod endpoint;
mod head;
mod memory;
mod parameter;
mod scene;
mod socket;
mod value;
mod verdict;
mod watch;
