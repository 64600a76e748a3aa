//! A web service that calls an API on behalf of a connection, with `axum`.
//!
//! `cargo run --example axum -- shop https://api.example.com/contacts`, and then `curl http://127.0.0.1:3000/`

use std::future::IntoFuture as _;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use vestal::{Code, Keeper};

#[derive(Clone)]
struct App {
    keeper: Keeper,
    connection: String,
    api: String,
}

/// What would be sent to the API. The token itself goes nowhere else.
async fn contacts(State(app): State<App>) -> Result<String, (StatusCode, String)> {
    let token = app.keeper.token(&app.connection).await.map_err(|error| {
        let status = match error.code() {
            Code::TemporarilyUnavailable => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        (status, error.to_string())
    })?;
    Ok(format!("GET {} with the token of generation {}\n", app.api, token.generation()))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(connection), Some(api)) = (arguments.next(), arguments.next()) else {
        return Err("usage: axum CONNECTION API-URL".into());
    };
    let keeper = Keeper::of_user()?;
    let app = App { keeper: keeper.clone(), connection, api };
    let router = Router::new().route("/", get(contacts)).with_state(app);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    // The same process keeps everything alive, until it is told to stop.
    let stop = async { drop(tokio::signal::ctrl_c().await) };
    tokio::select! {
        kept = keeper.keep_alive(stop) => kept?,
        served = axum::serve(listener, router).into_future() => served?,
    }
    keeper.close().await;
    Ok(())
}
