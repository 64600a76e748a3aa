//! `vestal token` on a fresh token must cost little more than starting the program: scripts call it before every request.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use super::provider::Provider;
use super::{Allowed, Figure, milliseconds, processes};
use crate::process::must;
use crate::{Result, install, vestal};

const HOME: Home = Home("target/bench/token");

pub(super) fn measure() -> Result<Vec<Figure>> {
    install::see_to(install::FOR_TESTS)?;
    let vestal = vestal::build("release")?;
    HOME.connect(&vestal)?;
    let times = processes::compare(
        HOME.command(&vestal).arg("--version"),
        HOME.command(&vestal).args(["token", "bench"]),
    )?;
    Ok(vec![Figure {
        what: "`vestal token` on a fresh token / `vestal --version`, whole processes".to_owned(),
        baseline: milliseconds(times.baseline),
        measured: milliseconds(times.subject),
        ratio: times.subject.as_secs_f64() / times.baseline.as_secs_f64(),
        allowed: Allowed::AtMost(3.0),
    }])
}

/// A folder in which the configuration and the store of a bench are.
pub(super) struct Home(pub(super) &'static str);

impl Home {
    pub(super) fn command(&self, vestal: &Path) -> Command {
        let mut command = Command::new(vestal);
        let home = std::path::absolute(self.0).unwrap_or_else(|_| self.0.into());
        command.env("XDG_CONFIG_HOME", home.join("config")).env("XDG_STATE_HOME", home.join("state"));
        command
    }

    /// Sets up the connection `bench`, with a client of that name, whose access token outlives the bench: the provider is
    /// not needed after that.
    pub(super) fn connect(&self, vestal: &Path) -> Result {
        let Self(folder) = self;
        let _ = fs::remove_dir_all(folder);
        fs::create_dir_all(folder).map_err(|error| format!("{folder}: {error}"))?;
        let provider = Provider::start()?;
        let secret = Path::new(folder).join("client-secret");
        fs::write(&secret, provider.said("/clients/post/client_secret")?)
            .map_err(|error| error.to_string())?;
        let issuer = provider.said("/issuer")?;
        let client_id = provider.said("/clients/post/client_id")?;
        must(
            self.command(vestal)
                .args(["connect", "bench", "--provider", "custom", "--client", "bench"])
                .args(["--grant", "client-credentials", "--auth", "client_secret_post"])
                .args(["--issuer", issuer, "--client-id", client_id])
                .args(["--scope", "contacts", "--client-secret-file"])
                .arg(&secret)
                .stdout(Stdio::null()),
        )
    }
}
