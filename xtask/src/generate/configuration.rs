//! `docs/configuration.md`: what a new configuration says, and which variables mean something.

use std::fs;

use crate::Result;

const TEMPLATE: &str = "crates/vestal/src/config/template.toml";

const HEAD: &str = "\
# The configuration

<!-- Made by `cargo xtask generate` from the file that a new configuration is made from: edit that. -->

Nothing has to be set. `vestal init`, and the first `vestal connect`, make a file that names everything, with a `#` in front of each line.
It is `vestal/vestal.toml` under `$XDG_CONFIG_HOME` (`~/.config`), unless `--config FILE` or `VESTAL_CONFIG` names another one; the store
lies beside such another one, unless it says otherwise.

Of a flag, a variable, this file and a default, the first that says something wins. A key that means nothing is refused, with the one that
may be meant. `vestal doctor` looks all of it over.

```toml
";

const TAIL: &str = "\
```

More about [the master key](master-key.md), [the heartbeat](service.md#a-heartbeat) and [files about providers](providers.md).

## Variables

One that is set to nothing is not set. Other variables that begin with `VESTAL_` mean nothing, and `vestal doctor` names them. What `vestal run`
runs gets none of them, nor the variable of `[master_key] env`.

| variable | what it says |
| --- | --- |
| `VESTAL_CONFIG` | the configuration file, as `--config` does |
| `VESTAL_LOG` | how much is logged, as `--log` does: `off`, `error`, `warn`, `info`, `debug` or `trace` |
| `VESTAL_MASTER_KEY` | the master key itself; wins over `[master_key]` |
| `VESTAL_MASTER_KEY_FILE` | the file that the master key is in; wins over `[master_key]`. Not both of them |
| `VESTAL_COMPLETE` | set by a shell's completions: for which shell they are |
| `HOME` | what `~` stands for here |
| `XDG_CONFIG_HOME` | where the configuration is; `~/.config` unless it is set |
| `XDG_STATE_HOME` | where the store is; `~/.local/state` unless it is set |
| `CREDENTIALS_DIRECTORY` | set by systemd: where the credential of `[master_key]` is |
| `STATE_DIRECTORY` | set by systemd: where answers are kept that the store does not take, should the folder beside it fail too |
| `NOTIFY_SOCKET`, `WATCHDOG_USEC`, `WATCHDOG_PID` | set by systemd: where `vestal serve` tells how it is, and how often that it lives |
| `BROWSER` | the program that `vestal connect` opens a URL with |
| `NANGO_SECRET_KEY` | Nango's secret key, for `vestal import --from nango` |
| `NO_COLOR`, `TERM=dumb` | no colours |
| `COLUMNS` | how wide the terminal is |
| `TZ` | the time zone of what people read; the machine's unless it is set |
| `TMPDIR` | where `vestal demo` makes its folder; `/tmp` unless it is set |
| `SSL_CERT_FILE`, `SSL_CERT_DIR` | certificate authorities to trust in place of the machine's own |

`HTTPS_PROXY`, `HTTP_PROXY` and `ALL_PROXY` are not used: tokens would go where whoever sets a variable wants. Name a proxy in the file.
";

pub(crate) fn page() -> Result<String> {
    let template =
        fs::read_to_string(TEMPLATE).map_err(|error| format!("cannot read {TEMPLATE}: {error}"))?;
    Ok(format!("{HEAD}{template}{TAIL}"))
}
