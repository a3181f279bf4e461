//! What the process gives up once everything is open: the caller's user, and rights that a capture
//! does not need.

use vxcap::live::User;
use vxcli::{Failure, Terminal};

use super::kernel_map::SUBNET_ENV_FOLDER;
use super::sandbox::Sandbox;

/// What is given up.
#[derive(Clone, Debug)]
pub(crate) struct Rights {
    /// `-Z`: the user to switch to.
    pub(crate) user: Option<String>,
    /// Is a sandbox wanted?
    pub(crate) is_sandboxed: bool,
}

impl Rights {
    /// Switches to the other user and enters the sandbox.
    ///
    /// # Errors
    ///
    /// As [`Self::assume_user`].
    pub(crate) fn give_up(&self, sandbox: Sandbox, terminal: &mut Terminal) -> Result<(), Failure> {
        self.assume_user()?;
        self.enter(sandbox, terminal);
        Ok(())
    }

    /// Switches to the user of `-Z`, who owns the files that are made from here on.
    ///
    /// # Errors
    ///
    /// [`Failure::Usage`] where there is no such user, or the process may not become it.
    pub(crate) fn assume_user(&self) -> Result<(), Failure> {
        let Some(name) = &self.user else { return Ok(()) };
        User::named(name).and_then(|user| user.assume()).map_err(Failure::usage)
    }

    /// Enters the sandbox. The map may be read anew in it.
    pub(crate) fn enter(&self, mut sandbox: Sandbox, terminal: &mut Terminal) {
        if self.is_sandboxed {
            sandbox.readable.push(SUBNET_ENV_FOLDER.into());
            for warning in sandbox.enter() {
                terminal.tell(format_args!("warning: {warning}"));
            }
        }
    }

    /// Says that it was the other user who was refused.
    pub(crate) fn as_user(&self, failure: Failure) -> Failure {
        match (&self.user, failure) {
            (Some(user), Failure::Usage(text)) => {
                Failure::Usage(format!("{text} (as {user}, see -Z)"))
            }
            (_, failure) => failure,
        }
    }
}
