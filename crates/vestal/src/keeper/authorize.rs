//! A layer for `reqwest-middleware`, which puts a fresh token into each request.

use async_trait::async_trait;
use http::header::AUTHORIZATION;
use http::{Extensions, StatusCode};
use reqwest_middleware::reqwest::{Request, Response};
use reqwest_middleware::{Middleware, Next};
use url::{Origin, Url};

use super::{Error, Keeper, Token};
use crate::failure::Failure;

/// Puts a connection's fresh access token into each request to its API, and into none to anybody else. Where the API answers 401 to it, the token is
/// refreshed, and the request sent once more, if its body can be sent again. What somebody else answers, to whom a redirect led, says nothing of it.
///
/// ```standalone_crate
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/harness/stage.rs"));
/// # fn main() -> std::process::ExitCode { on_stage(async |api| {
/// # let keeper = vestal::Keeper::open("vestal.db")?;
/// # let of_the_api = format!("{api}/api/me");
/// use reqwest_middleware::{ClientBuilder, reqwest};
///
/// let shop = vestal::Authorize::new(keeper.clone(), "shop", [api])?;    // "https://api.cc.email", for one
/// let client = ClientBuilder::new(reqwest::Client::new()).with(shop).build();
/// let answer = client.get(of_the_api).send().await?;
/// # assert_eq!(answer.status(), 200);
/// # keeper.close().await;
/// # Ok(()) }) }
/// ```
#[derive(Clone, Debug)]
pub struct Authorize {
    keeper: Keeper,
    connection: String,
    origins: Vec<Origin>,
}

impl Authorize {
    /// For requests to these origins (scheme, host and port), and to no others.
    ///
    /// # Errors
    ///
    /// Where one is no URL of a server.
    pub fn new<'a>(
        keeper: Keeper,
        connection: impl Into<String>,
        origins: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, Error> {
        let origin = |text: &str| {
            let url = text.parse::<Url>().ok().filter(|url| url.origin().is_tuple());
            url.map(|url| url.origin()).ok_or_else(|| {
                let refused = Failure::usage(format!("{text:?} is no origin of an API"));
                refused.next("name its scheme and host, such as https://api.example.com").into()
            })
        };
        let origins = origins.into_iter().map(origin).collect::<Result<_, Error>>()?;
        Ok(Self { keeper, connection: connection.into(), origins })
    }
}

#[async_trait]
impl Middleware for Authorize {
    async fn handle(
        &self,
        mut request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> reqwest_middleware::Result<Response> {
        let origin = request.url().origin();
        if !self.origins.contains(&origin) {
            return next.run(request, extensions).await;
        }
        let again = request.try_clone();
        let failed = |error: Error| reqwest_middleware::Error::middleware(error);
        let token = self.keeper.token(&self.connection).await.map_err(failed)?;
        put(&mut request, &token);
        let answer = next.clone().run(request, extensions).await?;
        // A redirect may have led to somebody else, who was not given the token.
        if answer.status() != StatusCode::UNAUTHORIZED || answer.url().origin() != origin {
            return Ok(answer);
        }
        // Where there is no other, what the API said is what there is to say.
        let newer = self.keeper.rejected(&self.connection, &token).await;
        let (Ok(newer), Some(mut again)) = (newer, again) else { return Ok(answer) };
        put(&mut again, &newer);
        next.run(again, extensions).await
    }
}

fn put(request: &mut Request, token: &Token) {
    if let Some(value) = token.authorization() {
        request.headers_mut().insert(AUTHORIZATION, value);
    }
}
