//! What a shell and `man` know of the command line, made from its own definition.

use std::io::Write;

use clap::{Args, Command};
use clap_complete::Shell;

use crate::outcome::{Failure, Outcome};

#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// Whose completions.
    shell: Shell,
}

/// `portvakt completions SHELL`
pub(crate) fn completions(
    arguments: &Completions,
    mut command: Command,
    out: &mut impl Write,
) -> Result<Outcome, Failure> {
    // Made in memory: clap_complete panics where a pipe is closed early.
    let mut text = Vec::new();
    clap_complete::generate(arguments.shell, &mut command, "portvakt", &mut text);
    out.write_all(&text)?;
    Ok(Outcome::Clean)
}

/// `portvakt man`: one page for the program and all its commands.
pub(crate) fn man(mut command: Command, out: &mut impl Write) -> Result<Outcome, Failure> {
    command.build();
    let mut pages = vec![command.clone()];
    pages.extend(
        command
            .get_subcommands()
            .filter(|page| page.get_name() != "help")
            .cloned(),
    );
    for page in pages {
        clap_mangen::Man::new(page).render(out)?;
    }
    Ok(Outcome::Clean)
}
