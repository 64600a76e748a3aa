//! `vestal doctor`: looks everything over.

use vestal_api::{Code, DoctorView, Finding, Level, Trouble};

use crate::clock::SystemClock;
use crate::config::Config;
use crate::context::Context;
use crate::failure::Failure;
use crate::output::{Output, Tone};
use crate::text::pad;

mod clients;
mod files;
mod finding;
mod fleet;
mod journal;
mod machine;
mod place;
mod schedule;
mod setup;
mod store;

use finding::{failed, warn};

/// Look everything over, and say how to mend what is wrong
///
/// It looks at the machine, the configuration, the key, the store, the clients, the connections and who keeps them. Ends with 1 where something does not work. In JSON each finding names its kind of trouble; docs/doctor.md
/// lists them all.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  vestal doctor
  vestal doctor --json | jq '.findings[] | select(.level != \"ok\")'")]
pub(crate) struct Args {}

pub(crate) async fn run(_: Args, context: &Context) -> Result<(), Failure> {
    let view = DoctorView::from(once(examine(context).await));
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

/// Each finding once: what is wrong with a store is met by whoever reads it.
fn once(findings: Vec<Finding>) -> Vec<Finding> {
    let mut told = Vec::with_capacity(findings.len());
    for finding in findings {
        if !told.contains(&finding) {
            told.push(finding);
        }
    }
    told
}

fn tell(finding: &Finding, output: Output) -> Result<(), Failure> {
    let (level, tone) = match finding.level {
        Level::Ok => ("ok  ", Tone::Good),
        Level::Warn => ("warn", Tone::Warning),
        Level::Fail => ("FAIL", Tone::Bad),
    };
    output.labelled(level, tone, &format!("{}{}", pad(&finding.about, 15), finding.found), 21)?;
    if let Some(next) = &finding.next {
        // Whole, so that it can be copied.
        output.line(format_args!("      {}{}", pad("next:", 15), output.palette.strong(next)))?;
    }
    Ok(())
}

async fn examine(context: &Context) -> Vec<Finding> {
    let mut findings = machine::look(&SystemClock);
    // What it warns of on stderr elsewhere is a finding here.
    let config = match Config::load(&context.environment, context.config_flag.as_deref()) {
        Ok(config) => config,
        Err(failure) => {
            findings.push(failed(Trouble::BadConfiguration, failure));
            return findings;
        }
    };
    if config.is_blank() {
        let found = format!(
            "there is nothing yet: no configuration at {}, no master key, no store",
            config.path.display()
        );
        findings.push(warn(Trouble::NotConfigured, found, "vestal connect NAME --provider P"));
        return findings;
    }
    let (told, ring) = setup::look(&config, &context.environment);
    findings.extend(told);
    findings.extend(place::look(&config.store, &SystemClock));
    if !config.store.exists() {
        let found = format!("there is none yet at {}", config.store.display());
        findings.push(warn(Trouble::NoStore, found, "vestal connect NAME --provider P"));
        return findings;
    }
    // What stands in the way has been told, and would be told once more.
    let in_the_way =
        [Trouble::BadAuthorities, Trouble::BadProviderFiles, Trouble::NetworkDisk, Trouble::StoreOpen];
    if findings.iter().any(|finding| finding.trouble.is_some_and(|it| in_the_way.contains(&it))) {
        return findings;
    }
    let Some(ring) = ring else { return findings };
    let vestal = match store::open(config, ring, context).await {
        Ok(vestal) => vestal,
        Err(finding) => {
            findings.push(*finding);
            return findings;
        }
    };
    findings.extend(store::look(&vestal).await);
    findings.extend(journal::look(&vestal).await);
    findings.extend(clients::look(&vestal).await);
    let (seen, told) = fleet::look(&vestal).await;
    findings.extend(told);
    findings.extend(schedule::look(&vestal, &seen).await);
    findings.extend(files::look(&vestal).await);
    findings
}
