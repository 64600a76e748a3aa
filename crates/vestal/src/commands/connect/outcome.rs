//! What came of a consent.

use vestal_api::ConnectedView;
use vestal_core::client::Client;
use vestal_core::schedule::absolute_end;
use vestal_engine::Connected;

use crate::context::{Context, Vestal};
use crate::failure::Failure;
use crate::text::one_of;
use crate::when::Calendar;

/// Says what came of it.
pub(super) async fn conclude(
    vestal: &Vestal,
    client: &Client,
    connected: Connected,
    context: &Context,
    calendar: &Calendar,
) -> Result<(), Failure> {
    let output = context.output;
    let connection = vestal.engine.store().connection_named(&connected.name).await?;
    let provider = vestal.engine.catalogue().get(&client.provider)?;
    let endless = provider.access_tokens_are_endless();
    let grant = connection.as_ref().and_then(|it| it.grant.as_ref());
    // Without a refresh token the grant ends with its access token, which is told below.
    let grant_end =
        grant.filter(|_| connected.refresh_token).and_then(|grant| absolute_end(grant, &provider));
    // What nothing renews is looked at for its warnings alone.
    let renewed =
        connection.filter(|it| it.grant.as_ref().is_some_and(|grant| !provider.cannot_renew(grant)));
    let next_refresh_at = renewed.and_then(|connection| connection.plan.due_at);
    let Connected { name, generation, scope, expires_at, refresh_token, advice, about, .. } = connected;
    if output.json {
        output.json(&ConnectedView {
            name,
            generation,
            scope,
            expires_at,
            refresh_token,
            next_refresh_at,
            advice,
            site: about.site,
            redirect: about.redirect,
            found_among: about.found.as_ref().map(|found| found.among),
            found: about.found.map(|found| found.values).unwrap_or_default(),
        })?;
        return Ok(());
    }
    let scopes = scope.filter(|scope| !scope.is_empty());
    let scopes = scopes.map(|scope| format!(" for {scope}")).unwrap_or_default();
    let ends = match expires_at {
        Some(at) => format!("the access token ends {}", calendar.moment_and_away(at)),
        None if endless => "the access token has no end".to_owned(),
        None => "nobody says when the access token ends".to_owned(),
    };
    let renewed = match (next_refresh_at, refresh_token) {
        (Some(at), true) => {
            format!("there is a refresh token, to be used next {}", calendar.moment_and_away(at))
        }
        (Some(at), false) => format!("it is renewed next {}", calendar.moment_and_away(at)),
        (None, true) => "there is a refresh token".to_owned(),
        (None, false) => "there is NO refresh token".to_owned(),
    };
    let done = output.palette.good("connected");
    output.line(format_args!("{:?} is {done}{scopes}; {ends}; {renewed}", name.as_str()))?;
    if let Some(end) = grant_end {
        output.note(format_args!(
            "The grant ends {}, whatever is done. You will be told in time to connect again.",
            calendar.moment_and_away(end.at)
        ));
    }
    for (what, said) in about.site.iter().chain(&about.redirect) {
        output.note(format_args!("  {what}  {said}"));
    }
    if let Some(found) = &about.found {
        for (what, said) in &found.values {
            output.note(format_args!("  {what}  {said}{}", one_of(found.among)));
        }
        if found.among > 1 {
            output.warn(format_args!(
                "the token is good for {} that the API lists: what stands here is the one that is kept, and calls for another \
                 one have to name that themselves",
                found.among
            ));
        }
    }
    if next_refresh_at.is_none() && !refresh_token && (expires_at.is_some() || !endless) {
        output.warn(format_args!(
            "the provider gave no refresh token, so {:?} ends with its access token, and nothing can keep it alive",
            name.as_str()
        ));
    }
    if let Some(advice) = advice {
        output.note(format_args!("  {}  {advice}", output.error_palette.strong("next:")));
    } else if output.is_terminal() {
        output.note("Keep it alive with: vestal serve; or by cron: vestal refresh --due --within 12h");
    }
    Ok(())
}
