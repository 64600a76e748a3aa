//! Consent on another device (RFC 8628).

use vestal_api::DeviceConsentView;
use vestal_core::connection::ConnectionName;
use vestal_engine::{Account, BeginDevice, Connected, DeviceRequest, Error};

use crate::context::{Context, Vestal};
use crate::failure::Failure;

/// Shows a person what to type in and where, and waits for what comes of it.
pub(super) async fn consent(
    vestal: &Vestal,
    context: &Context,
    begin: BeginDevice,
    account: Account,
) -> Result<Result<Connected, Error>, Failure> {
    let name = begin.name.clone();
    let request = match context.or_interrupted(Box::pin(vestal.engine.begin_device(begin))).await? {
        Ok(request) => request,
        Err(error) => return Ok(Err(error)),
    };
    announce(&name, &request, context)?;
    context.or_interrupted(vestal.engine.finish_device(request, account)).await
}

/// Says what to do.
fn announce(name: &ConnectionName, request: &DeviceRequest, context: &Context) -> Result<(), Failure> {
    let output = context.output;
    for advice in &request.advice {
        output.warn(advice);
    }
    if output.json {
        output.json(&DeviceConsentView {
            name: name.clone(),
            user_code: request.user_code.clone(),
            verification_uri: request.verification_uri.clone(),
            verification_uri_complete: request.verification_uri_complete.clone(),
            scopes: request.scopes.clone(),
            expires_at: request.expires_at,
        })?;
        return Ok(());
    }
    let until = context.calendar().moment(request.expires_at);
    output.note(format_args!(
        "To connect {:?}, open this page on any device, type the code in, and consent by {until}:\n",
        name.as_str()
    ));
    output.line(format_args!("  {}", request.verification_uri))?;
    output.line(format_args!("  {}", output.palette.strong(&request.user_code)))?;
    output.note("");
    if let Some(complete) = &request.verification_uri_complete {
        output.note(format_args!("Or open this one, and compare the code that it shows:\n\n  {complete}\n"));
    }
    output.note("Waiting for the answer …");
    Ok(())
}
