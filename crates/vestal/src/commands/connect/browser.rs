//! Consent in a browser on this machine.

use std::ffi::OsString;
use std::process::{Command, Stdio};
use std::time::Duration;

use axum::http::StatusCode;
use url::Url;
use vestal_api::Code;
use vestal_core::clock::Clock;
use vestal_engine::{Account, Connected, ConsentRequest, Error};

use super::redirected::{is_ours, stateless};
use crate::clock::SystemClock;
use crate::config::Environment;
use crate::context::{Context, Vestal};
use crate::entropy::SystemEntropy;
use crate::failure::Failure;
use crate::loopback::{Arrival, Loopback, Page};

/// How long a person may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(10 * 60);

/// Opens the browser, and waits for it to come back.
pub(super) async fn consent(
    vestal: &Vestal,
    context: &Context,
    request: &ConsentRequest,
    account: Account,
    mut loopback: Loopback,
) -> Result<Result<Connected, Error>, Failure> {
    let mut signals = context.signals.listen()?;
    let page = loopback.door_to(&request.url, &SystemEntropy);
    let next = match open(&page, &context.environment, vestal.config.key_variable.as_deref()) {
        true => "Waiting for the browser to come back …",
        false => "No browser could be opened here: open the page yourself. Waiting …",
    };
    context.output.note(next);
    let came = async {
        let mut told = false;
        loop {
            let arrival = loopback.next().await?;
            if is_ours(&arrival.url, &request.state) {
                return Some(arrival);
            }
            if let Some(said) = stateless(&arrival.url) {
                // Told once: any page can send a browser here, again and again.
                if !std::mem::replace(&mut told, true) {
                    context.output.warn(format_args!("{said}"));
                }
            }
            // Somebody else's, or an old one: nothing to give up for.
            let _ = arrival.reply.send(Page {
                title: "This is not what we are waiting for",
                text: "The page belongs to another consent. Use the one that the terminal shows.".to_owned(),
                status: StatusCode::BAD_REQUEST,
            });
        }
    };
    let arrival = tokio::select! {
        arrival = came => arrival,
        () = SystemClock.sleep(PATIENCE) => {
            return Err(Failure::failed(format!("nobody consented within {} min", PATIENCE.as_secs() / 60)).next("start again"));
        }
        () = signals.first() => {
            return Err(Failure::new(Code::Failed, "interrupted; nothing was connected"));
        }
    };
    let Some(Arrival { url, reply }) = arrival else {
        return Err(Failure::failed("nobody listens for the browser any more").next("start again"));
    };
    // A code can be used once: from here on a signal waits for the end.
    let outcome = context.to_its_end(vestal.engine.finish_connect(&url, account)).await?;
    let page = match &outcome {
        Ok(connected) => Page {
            title: "Connected",
            text: format!("“{}” is connected. You can close this page.", connected.name),
            status: StatusCode::OK,
        },
        Err(_) => Page {
            title: "Not connected",
            text: "Something went wrong. The terminal says what, and what to do.".to_owned(),
            status: StatusCode::BAD_REQUEST,
        },
    };
    // A browser that did not wait for it does not need it.
    let _ = reply.send(page);
    loopback.close().await;
    Ok(outcome)
}

/// Opens a page in the person's browser. It inherits nothing that may hold the master key.
fn open(url: &Url, environment: &Environment, key_variable: Option<&str>) -> bool {
    let mut command = match environment.get("BROWSER").map(|browser| browser.to_string_lossy().into_owned()) {
        Some(browsers) => chosen(browsers.split(':').next().unwrap_or_default(), url),
        None if cfg!(target_os = "macos") => program("open", [url.as_str().into()]),
        None => program("xdg-open", [url.as_str().into()]),
    };
    environment.hide_from(&mut command, key_variable);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().is_ok()
}

/// What `$BROWSER` says: a command, in which `%s` stands for the page.
fn chosen(browser: &str, url: &Url) -> Command {
    let mut words = browser.split_whitespace();
    let first = words.next().unwrap_or_default();
    let mut arguments: Vec<OsString> = words.map(|word| word.replace("%s", url.as_str()).into()).collect();
    if !browser.contains("%s") {
        arguments.push(url.as_str().into());
    }
    program(first, arguments)
}

fn program(name: &str, arguments: impl IntoIterator<Item = OsString>) -> Command {
    let mut command = Command::new(name);
    command.args(arguments);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_browser_of_choice_gets_the_page_where_it_wants_it() {
        let url: Url = "https://as.example/a?b=c".parse().unwrap();
        let words = |browser: &str| {
            let command = chosen(browser, &url);
            let words = std::iter::once(command.get_program()).chain(command.get_args());
            words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>()
        };
        assert_eq!(words("firefox"), ["firefox", url.as_str()]);
        assert_eq!(words("firefox --new-window %s"), ["firefox", "--new-window", url.as_str()]);
    }
}
