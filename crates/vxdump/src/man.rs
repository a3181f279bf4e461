//! The manual page: one for all commands, so that everything is found in one place.

use std::io::{self, Write};

use clap::CommandFactory;
use clap_mangen::Man;

use crate::cli::Cli;

/// Writes the page in roff.
pub(crate) fn write(out: &mut dyn Write) -> io::Result<()> {
    let mut command = Cli::command();
    // arguments that subcommands inherit stand in them only then
    command.build();
    let page = Man::new(command.clone());
    page.render_title(out)?;
    page.render_name_section(out)?;
    out.write_all(
        b".SH SYNOPSIS\n\
        \\fBvxdump\\fR [\\fIOPTIONS\\fR] [\\fIEXPRESSION\\fR]\n",
    )?;
    let commands = || command.get_subcommands().filter(|command| command.get_name() != "help");
    for command in commands() {
        let arguments = match command.get_positionals().next() {
            Some(argument) => argument.get_id().as_str().to_uppercase(),
            None => String::new(),
        };
        write!(out, ".br\n\\fBvxdump {}\\fR [\\fIOPTIONS\\fR]", command.get_name())?;
        match arguments.as_str() {
            "" => writeln!(out)?,
            name => writeln!(out, " [\\fI{name}\\fR]")?,
        }
    }
    page.render_description_section(out)?;
    page.render_options_section(out)?;
    for command in commands() {
        let name = command.get_name().to_uppercase();
        writeln!(out, ".SH VXDUMP {name}")?;
        let page = Man::new(command.clone());
        let mut text = Vec::new();
        page.render_description_section(&mut text)?;
        page.render_options_section(&mut text)?;
        if command.get_after_help().is_some() {
            page.render_extra_section(&mut text)?;
        }
        // sections of a page of its own become parts of this one's section
        let text = String::from_utf8_lossy(&text).replace(".SH DESCRIPTION\n", "");
        out.write_all(text.replace(".SH ", ".SS ").as_bytes())?;
    }
    page.render_extra_section(out)?;
    page.render_version_section(out)
}

#[cfg(test)]
mod tests {
    #[test]
    fn all_commands_are_in_the_page() {
        let mut page = Vec::new();
        super::write(&mut page).unwrap();
        let page = String::from_utf8(page).unwrap();
        for part in [".SH VXDUMP FLOWS", ".SH VXDUMP TOP", ".SH VXDUMP MAP", "idle\\-timeout"] {
            assert!(page.contains(part), "{part}");
        }
        // there is no other page to look into
        assert!(!page.contains("(1)\n"), "{page}");
    }
}
