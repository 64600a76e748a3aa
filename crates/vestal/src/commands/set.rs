//! `vestal set`: what a person decides of a connection.

use std::collections::BTreeMap;

use vestal_api::ConnectionView;
use vestal_core::connection::{ConnectionName, Policy};
use vestal_engine::Changes;

use crate::context::Context;
use crate::failure::Failure;
use crate::reasons;

/// Change a connection: its policy and its tags
///
/// A policy says when access tokens are refreshed. auto: while that is cheap or the token is being read, otherwise once a day. always: before
/// each one ends. on-demand: when somebody asks. Under each of them the refresh token is kept from dying of disuse.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("change").required(true).multiple(true).args(["policy", "tag", "untag"]))]
#[command(after_help = "\
Examples:
  vestal set shop --policy always
  vestal set shop --tag org=42 --untag trial")]
pub(crate) struct Args {
    /// The connection
    name: ConnectionName,

    /// When it is refreshed: auto, always or on-demand
    #[arg(long, value_name = "POLICY")]
    policy: Option<Policy>,

    /// A tag to set; a connection has at most 32
    #[arg(long, value_name = "NAME=VALUE", value_parser = super::tag)]
    tag: Vec<(String, String)>,

    /// A tag to remove
    #[arg(long, value_name = "NAME")]
    untag: Vec<String>,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let changes = Changes { policy: args.policy, tags: tags(args.tag, args.untag)? };
    let vestal = context.open().await?;
    let calendar = context.calendar();
    let connection = vestal.connection(&args.name).await?;
    let changed = match vestal.engine.set(connection, &changes).await {
        Ok(changed) => changed,
        Err(error) => return Err(vestal.failure(error, &args.name).await),
    };
    let (after, client) = vestal.connection_and_client(&args.name).await?;
    let output = context.output;
    if output.json {
        output.json(&ConnectionView::new(&after, &client))?;
        return Ok(());
    }
    let name = args.name.as_str();
    if !changed {
        output.line(format_args!("{name:?} is so already: nothing was changed"))?;
        return Ok(());
    }
    if changes.policy.is_some() {
        let provider = vestal.engine.catalogue().get(&client.provider)?;
        let next = reasons::next(&vestal.engine.schedule(&after, &provider), &calendar);
        output.line(format_args!("{name:?} has the policy {}; next: {next}", after.policy))?;
    }
    if !changes.tags.is_empty() {
        let tags: Vec<String> = after.tags.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let tags =
            if tags.is_empty() { "no tags".to_owned() } else { format!("the tags {}", tags.join(", ")) };
        output.line(format_args!("{name:?} has {tags}"))?;
    }
    Ok(())
}

/// What is to become of each tag that was named.
fn tags(
    set: Vec<(String, String)>,
    removed: Vec<String>,
) -> Result<BTreeMap<String, Option<String>>, Failure> {
    let mut tags = BTreeMap::new();
    let set = set.into_iter().map(|(name, value)| (name, Some(value)));
    for (name, value) in set.chain(removed.into_iter().map(|name| (name, None))) {
        if tags.get(&name).is_some_and(|before| *before != value) {
            return Err(Failure::usage(format!("the tag {name:?} is to be two things at once"))
                .next("name each tag once, with --tag or with --untag"));
        }
        tags.insert(name, value);
    }
    Ok(tags)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_tag_is_set_or_removed() {
        let read = |set: &[(&str, &str)], removed: &[&str]| {
            let set = set.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            tags(set, removed.iter().map(|name| (*name).to_owned()).collect())
        };
        let both = read(&[("org", "42"), ("beta", "")], &["trial"]).unwrap();
        let expected = [("beta", Some("")), ("org", Some("42")), ("trial", None)];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.map(str::to_owned)));
        assert_eq!(both, BTreeMap::from(expected));
        assert!(read(&[("org", "1"), ("org", "1")], &["x", "x"]).is_ok());
        assert!(read(&[("org", "1"), ("org", "2")], &[]).is_err());
        assert!(read(&[("org", "1")], &["org"]).is_err());
    }
}
