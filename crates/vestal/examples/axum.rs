//! A web service that calls an API on behalf of a connection, with `axum`.
//!
//! `cargo run -p vestal --features reqwest-middleware --example axum -- shop https://api.example.com/contacts`, and then
//! `curl http://127.0.0.1:3000/`

#![expect(clippy::disallowed_methods, clippy::print_stdout, reason = "a program as others write them")]

use std::future::IntoFuture as _;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{Response, StatusCode};
use axum::routing::get;
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware, Error, reqwest};
use vestal::{Authorize, Code, Keeper};

#[derive(Clone)]
struct App {
    client: ClientWithMiddleware,
    api: String,
}

/// What the API says, to whoever asks here. The token goes to the API alone.
async fn contacts(State(app): State<App>) -> Result<Response<Body>, (StatusCode, String)> {
    let request = app.client.get(app.api).timeout(Duration::from_secs(60));
    let answer = request.send().await.map_err(|error| (status(&error), format!("{error}\n")))?;
    let (from, body) = Response::from(answer).into_parts();
    let mut answer = Response::new(Body::new(body));
    *answer.status_mut() = from.status;
    answer.headers_mut().extend(from.headers.get(CONTENT_TYPE).map(|kind| (CONTENT_TYPE, kind.clone())));
    Ok(answer)
}

/// Where there is no token, it is not the API that failed.
fn status(error: &Error) -> StatusCode {
    let Error::Middleware(error) = error else { return StatusCode::BAD_GATEWAY };
    match error.downcast_ref::<vestal::Error>().map(vestal::Error::code) {
        Some(Code::TemporarilyUnavailable) => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(connection), Some(api)) = (arguments.next(), arguments.next()) else {
        return Err("usage: axum CONNECTION API-URL [ADDRESS]".into());
    };
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:3000".to_owned());
    let keeper = Keeper::of_user()?;
    let authorize = Authorize::new(keeper.clone(), connection, [&*api])?;
    let client = ClientBuilder::new(reqwest::Client::new()).with(authorize).build();
    let router = Router::new().route("/", get(contacts)).with_state(App { client, api });
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("Listening on http://{}/", listener.local_addr()?);
    // The same process keeps everything alive, until it is told to stop.
    let stop = async { drop(tokio::signal::ctrl_c().await) };
    tokio::select! {
        kept = keeper.keep_alive(stop) => kept?,
        served = axum::serve(listener, router).into_future() => served?,
    }
    keeper.close().await;
    Ok(())
}
