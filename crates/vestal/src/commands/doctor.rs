//! `vestal doctor`: looks everything over.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use vestal_api::{Code, DoctorView, ErrorView, Finding, Level};
use vestal_core::client::Client;
use vestal_core::clock::Clock;
use vestal_core::store::{Held, Store};
use vestal_core::token::saturating_add;
use vestal_engine::Engine;
use vestal_oauth::endpoint;
use vestal_store::journal::{self, FolderState, JournalFolder};

use crate::clock::SystemClock;
use crate::config::Config;
use crate::context::{Context, Vestal};
use crate::failure::{Failure, word};
use crate::hardening;
use crate::lazy_http;
use crate::output::Output;
use crate::text::pad;

mod fleet;

/// The program was not there before this day.
const FIRST_DAY: &str = "2026-01-01T00:00:00Z";

/// Clocks that agree differ by less.
const AGREE: Duration = Duration::from_secs(3600);

/// A clock that is wrong by less harms nobody.
const WORTH_TELLING: Duration = Duration::from_secs(60);

/// Look everything over: the configuration, the key, the store, the clock, the clients
///
/// Says how to mend what it finds. Ends with 1 where something does not work.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  vestal doctor
  vestal doctor --json | jq '.findings[] | select(.level != \"ok\")'")]
pub(crate) struct Args {}

pub(crate) async fn run(_: Args, context: &Context) -> Result<(), Failure> {
    let view = DoctorView::from(examine(context).await);
    let output = context.output;
    if output.json {
        output.json(&view)?;
    } else {
        for finding in &view.findings {
            tell(finding, output)?;
        }
    }
    match view.level {
        Level::Fail => Err(Failure::Quiet(Code::Failed)),
        Level::Ok | Level::Warn => Ok(()),
    }
}

fn tell(finding: &Finding, output: Output) -> Result<(), Failure> {
    let palette = output.palette;
    let level = match finding.level {
        Level::Ok => palette.good("ok  "),
        Level::Warn => palette.warning("warn"),
        Level::Fail => palette.bad("FAIL"),
    };
    output.line(format_args!("{level}  {}{}", pad(&finding.about, 15), finding.found))?;
    if let Some(next) = &finding.next {
        output.line(format_args!("      {}{}", pad("next:", 15), palette.strong(next)))?;
    }
    Ok(())
}

async fn examine(context: &Context) -> Vec<Finding> {
    let mut findings = vec![clock(SystemClock.now()), memory()];
    let config = match context.config() {
        Ok(config) => config,
        Err(failure) => {
            findings.push(failed("configuration", failure));
            return findings;
        }
    };
    findings.push(configuration(&config));
    findings.extend(authorities(&config));
    findings.extend(own_providers(&config));
    findings.push(match config.master_key.read(&context.environment) {
        Ok(key) => ok("master key", format!("{} holds the key {}", config.master_key.describe(), key.id())),
        Err(failure) => failed("master key", failure),
    });
    findings.extend(place(&config.store));
    if !config.store.exists() {
        findings.push(warn(
            "store",
            format!("there is none yet at {}", config.store.display()),
            "vestal connect NAME --provider P",
        ));
        return findings;
    }
    match context.open().await {
        Err(failure) => findings.push(failed("store", failure)),
        Ok(vestal) => {
            findings.extend(store(&vestal).await);
            findings.extend(skew(&vestal).await);
            findings.extend(clients(&vestal).await);
            findings.extend(fleet::look_over(&vestal).await);
        }
    }
    findings
}

fn clock(now: Timestamp) -> Finding {
    let said = format!("it is {} (UTC)", now.strftime("%-d %b %Y, %H:%M"));
    match FIRST_DAY.parse::<Timestamp>() {
        Ok(first) if now < first => {
            fail("clock", format!("{said}, which is before this program was made"), "set the clock")
        }
        _ => ok("clock", said),
    }
}

fn memory() -> Finding {
    match hardening::dumps_core() {
        false => ok("memory", "a crash writes nothing of it to the disk"),
        true => warn(
            "memory",
            "core dumps cannot be turned off: a crash may write secrets to the disk",
            "ulimit -c 0",
        ),
    }
}

fn configuration(config: &Config) -> Finding {
    let path = config.path.display();
    if config.exists {
        ok("configuration", format!("{path}"))
    } else {
        warn("configuration", format!("there is none at {path}; the defaults are used"), "vestal init")
    }
}

/// Whether the extra certificate authorities can be read, where there are to be some.
fn authorities(config: &Config) -> Option<Finding> {
    let path = config.http.ca_file.as_ref()?;
    Some(match lazy_http::authorities(path) {
        Ok(()) => ok("authorities", path.display().to_string()),
        Err(error) => fail(
            "authorities",
            format!("{} cannot be used: {error}", path.display()),
            "correct [http] ca_file in the configuration",
        ),
    })
}

/// Whether the user's own files about providers can be read, where there are some.
fn own_providers(config: &Config) -> Option<Finding> {
    let files = match config.own_files() {
        Ok(files) if files.is_empty() => return None,
        Ok(files) => files,
        Err(failure) => return Some(failed("providers", failure)),
    };
    Some(match config.catalogue() {
        Ok(_) => ok("providers", format!("{} of your own, in {}", files.len(), config.providers.display())),
        Err(failure) => failed("providers", failure),
    })
}

/// Where the store lies.
fn place(store: &Path) -> Vec<Finding> {
    let Some(folder) = store.parent().filter(|folder| folder.exists()) else { return Vec::new() };
    let shown = folder.display();
    let mut findings = vec![match filesystem(folder) {
        Some(passing @ ("tmpfs" | "overlay")) => warn(
            "state folder",
            format!("{shown} lies on {passing}, which may not outlive this machine or container"),
            "keep the store on a disk or a volume: [store] path in the configuration",
        ),
        Some(network) => fail(
            "state folder",
            format!("{shown} lies on {network}, where SQLite's locks cannot be trusted"),
            "keep the store on a local disk: [store] path in the configuration",
        ),
        None => ok("state folder", format!("{shown}")),
    }];
    let mode = fs::metadata(folder).map(|metadata| metadata.permissions().mode() & 0o777).unwrap_or(0);
    if mode & 0o022 != 0 {
        findings.push(warn(
            "state folder",
            format!("others may write to {shown} (mode {mode:04o})"),
            &format!("chmod 700 '{shown}'"),
        ));
    }
    let changed = fs::metadata(store).and_then(|metadata| metadata.modified()).ok().and_then(timestamp);
    if let Some(changed) = changed.filter(|changed| *changed > saturating_add(SystemClock.now(), AGREE)) {
        findings.push(fail(
            "clock",
            format!("the store was changed at {changed}, which is in the future: the clock is wrong, or was"),
            "set the clock",
        ));
    }
    findings
}

fn timestamp(time: SystemTime) -> Option<Timestamp> {
    Timestamp::try_from(time).ok()
}

/// The name of a file system that is unfit or may not last (numbers from `statfs(2)`).
#[cfg(target_os = "linux")]
fn filesystem(folder: &Path) -> Option<&'static str> {
    let kind = rustix::fs::statfs(folder).ok()?.f_type;
    Some(match kind as u64 & 0xffff_ffff {
        0x0102_1994 => "tmpfs",
        0x794c_7630 => "overlay",
        0x6969 => "NFS",
        0x517b | 0xff53_4d42 | 0xfe53_4d42 => "SMB",
        0x0102_1997 => "9p",
        0x6573_5546 => "FUSE",
        _ => return None,
    })
}

#[cfg(not(target_os = "linux"))]
fn filesystem(_: &Path) -> Option<&'static str> {
    None
}

async fn store(vestal: &Vestal) -> Vec<Finding> {
    let store = vestal.engine.store();
    let mut findings = vec![ok("store", format!("{} opens with the key", vestal.config.store.display()))];
    findings.push(match store.check_writable().await {
        Ok(()) => ok("store", "it can be written"),
        Err(error) => failed("store", error.into()),
    });
    findings.push(match store.count_states(None).await {
        Ok(states) => {
            let states: Vec<String> =
                states.into_iter().map(|(state, count)| format!("{count} {state}")).collect();
            match states.is_empty() {
                true => ok("connections", "none yet"),
                false => ok("connections", states.join(", ")),
            }
        }
        Err(error) => failed("connections", error.into()),
    });
    findings.push(overdue(store).await);
    findings.extend(journals(vestal).await);
    findings
}

/// Where answers go that the store does not take, and whether any wait there.
async fn journals(vestal: &Vestal) -> Vec<Finding> {
    let store = match vestal.engine.store().identity().await {
        Ok(Some(identity)) => identity.id,
        Ok(None) => return Vec::new(),
        Err(error) => return vec![failed("journal", error.into())],
    };
    let folders = journal::inspect(&vestal.config.journals(), store);
    let mut findings = Vec::new();
    // What the first one cannot take goes to the next.
    let usable = folders.iter().find(|folder| !matches!(folder.state, FolderState::Unwritable { .. }));
    findings.push(match usable {
        None => {
            let why: Vec<String> = folders.iter().filter_map(unwritable).collect();
            fail("journal", format!("no folder can be written: {}", why.join("; ")), "make one of them writable")
        }
        Some(folder) => match folder.fleeting {
            Some(why) => warn(
                "journal",
                format!("answers that the store does not take would lie in {}: {why}", folder.path.display()),
                "keep the store, and with it the journal, on a disk or a volume: [store] path in the configuration",
            ),
            None => ok("journal", format!("{}", folder.path.display())),
        },
    });
    if let Some(why) = folders.first().and_then(unwritable).filter(|_| usable.is_some()) {
        let mend = "give this user the right to write there";
        findings.push(warn("journal", format!("the first folder cannot be used: {why}"), mend));
    }
    for folder in &folders {
        let shown = folder.path.display();
        findings.extend(folder.damaged.iter().map(|file| {
            let file = file.display();
            warn(
                "journal",
                format!(
                    "{file} holds an answer that was damaged: its connection may have lost its refresh token"
                ),
                &format!("vestal status shows which; connect it again, look at the disk, then: rm '{file}'"),
            )
        }));
        match folder.unsettled {
            Some(0) => {}
            Some(waiting) => findings.push(warn(
                "journal",
                format!("{waiting} answer(s) in {shown} wait for the store"),
                "mend the store, then: vestal refresh --due",
            )),
            None => findings.push(fail(
                "journal",
                format!("{shown} cannot be read, or something in it is damaged"),
                &format!("give this user the right to read it; do not remove anything: ls -l '{shown}'"),
            )),
        }
    }
    findings
}

fn unwritable(folder: &JournalFolder) -> Option<String> {
    match &folder.state {
        FolderState::Unwritable { detail } => Some(detail.clone()),
        FolderState::Writable | FolderState::Absent => None,
    }
}

/// How far the clock was from a provider's.
async fn skew(vestal: &Vestal) -> Option<Finding> {
    let skew = vestal.engine.store().mark().await.ok()??.skew?;
    let by = Duration::from_secs(skew.ahead_s.unsigned_abs());
    let said = format!("of {} on {}", skew.host, skew.at.strftime("%-d %b %Y, %H:%M"));
    if by < WORTH_TELLING {
        return Some(ok("clock", format!("it agreed with that {said}")));
    }
    let (by, direction) = (humantime::format_duration(by), if skew.ahead_s > 0 { "ahead" } else { "behind" });
    let found = format!("it was {by} {direction} of that {said}");
    Some(warn("clock", found, "set the clock, and keep it right: timedatectl set-ntp true"))
}

/// Whether somebody keeps to the schedule.
async fn overdue(store: &dyn Store) -> Finding {
    let now = SystemClock.now();
    match store.next_due(Timestamp::MIN, Timestamp::MAX, &Held::default()).await {
        Err(error) => failed("schedule", error.into()),
        Ok(Some(due)) if saturating_add(due, AGREE) < now => warn(
            "schedule",
            format!("a refresh is due since {due}, and nobody has made it"),
            "run vestal serve, or from cron: vestal refresh --due --within 12h",
        ),
        Ok(_) => ok("schedule", "nothing is overdue"),
    }
}

async fn clients(vestal: &Vestal) -> Vec<Finding> {
    let clients = match vestal.engine.store().clients().await {
        Ok(clients) => clients,
        Err(error) => return vec![failed("clients", error.into())],
    };
    let damaged = clients.damaged.into_iter().map(|damage| failed("clients", damage.into()));
    let found = clients.clients.iter().map(|one| client(one, &vestal.engine));
    let findings: Vec<_> = found.chain(damaged).collect();
    if findings.is_empty() {
        return vec![ok("clients", "none yet")];
    }
    findings
}

fn client(client: &Client, engine: &Engine) -> Finding {
    let about = "client";
    let name = &client.name;
    let again = format!("add it anew with: vestal client add, and remove {name:?}");
    let provider = match engine.catalogue().get(&client.provider) {
        Ok(provider) => provider,
        Err(_) => {
            return fail(
                about,
                format!("{name}: nothing is known of its provider {:?}", client.provider),
                &again,
            );
        }
    };
    if let Some(trouble) = client.notes.trouble.as_ref().filter(|trouble| trouble.agreed) {
        return fail(
            about,
            format!("{name}: {} refuses it since {}: {}", provider.name, trouble.since, trouble.detail),
            &format!("vestal client set-secret {}", word(name)),
        );
    }
    let endpoints = &client.endpoints;
    for url in endpoints.all() {
        if let Err(error) = endpoint::check(url) {
            return fail(about, format!("{name}: {error}"), &again);
        }
        if let Some(retired) = provider.retired(url) {
            return fail(
                about,
                format!("{name}: {url} ended on {}; use {}", retired.since, retired.instead),
                &again,
            );
        }
    }
    if let Err(error) = engine.check_client(client) {
        return fail(about, format!("{name}: {error}"), &format!("vestal client set-secret {}", word(name)));
    }
    ok(about, format!("{name}: {}, {}", provider.name, client.auth))
}

fn ok(about: &str, found: impl Into<String>) -> Finding {
    Finding { level: Level::Ok, about: about.to_owned(), found: found.into(), next: None }
}

fn warn(about: &str, found: impl Into<String>, next: &str) -> Finding {
    Finding { level: Level::Warn, about: about.to_owned(), found: found.into(), next: Some(next.to_owned()) }
}

fn fail(about: &str, found: impl Into<String>, next: &str) -> Finding {
    Finding { level: Level::Fail, about: about.to_owned(), found: found.into(), next: Some(next.to_owned()) }
}

fn failed(about: &str, failure: Failure) -> Finding {
    let Some(ErrorView { error, why, next, .. }) = failure.view() else {
        return fail(about, "it failed", "");
    };
    let found = why.map_or_else(|| error.clone(), |why| format!("{error}: {why}"));
    Finding { level: Level::Fail, about: about.to_owned(), found, next }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_was_reset_is_noticed() {
        assert_eq!(clock(Timestamp::UNIX_EPOCH).level, Level::Fail);
        assert_eq!(clock("2026-11-03T00:00:00Z".parse().unwrap()).level, Level::Ok);
    }

    #[test]
    fn an_error_becomes_a_finding_with_its_remedy() {
        let finding = failed("store", Failure::failed("it is shut").why("no key").next("bring one"));
        assert_eq!(
            (finding.found.as_str(), finding.next.as_deref()),
            ("it is shut: no key", Some("bring one"))
        );
    }
}
