//! The peer `oidc-provider`, whose access tokens outlive a bench.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::Result;
use crate::process::line;

/// One that runs until this is dropped.
pub(super) struct Provider {
    process: Child,
    ready: Value,
}

impl Provider {
    pub(super) fn start() -> Result<Self> {
        let mut command = Command::new("node");
        command
            .args(["tests/peers/oidc-provider/server.mjs", r#"{"access_ttl_s":86400}"#])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let line = line(&command);
        let failed = |error: &dyn std::fmt::Display| format!("`{line}`: {error}");
        let mut process = command.spawn().map_err(|error| failed(&error))?;
        let stdout = process.stdout.take().ok_or("the provider has no output")?;
        let mut said = String::new();
        BufReader::new(stdout).read_line(&mut said).map_err(|error| failed(&error))?;
        let ready = serde_json::from_str(&said).map_err(|error| failed(&error))?;
        Ok(Self { process, ready })
    }

    pub(super) fn said(&self, pointer: &str) -> Result<&str> {
        let text = self.ready.pointer(pointer).and_then(Value::as_str);
        text.ok_or_else(|| format!("the provider does not say its {pointer}"))
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        // It ends when its input does.
        if let Some(mut stdin) = self.process.stdin.take() {
            let _ = stdin.flush();
        }
        let _ = self.process.wait();
    }
}
