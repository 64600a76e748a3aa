//! `vestal`, the program. All of it is in the library, which other programs use too.

use std::process::ExitCode;

/// A node under load allocates much on one thread and frees it on another, which this one is made for.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    vestal::main()
}
