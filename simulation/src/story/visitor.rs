//! The form, and whoever fills it in.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use opt_in_form::{Api, Clock, Form, Ports, Request, Response, Settings, Tokens, Unanswered};

use crate::story::world::{Heard, LIST, World};
use crate::time::{SECOND, sleep};

/// The form of `examples/opt-in-form`, in this world.
pub(super) fn form(world: &Arc<World>, tokens: Arc<dyn Tokens>) -> Form {
    let outside = Arc::new(Outside(Arc::clone(world)));
    let ports = Ports { tokens, api: Arc::clone(&outside) as Arc<dyn Api>, clock: outside };
    let settings = Settings { title: "Our newsletter".into(), lists: vec![LIST.into()] };
    Form::new(settings, ports, [7; 32])
}

/// Opens the form, fills it in, sends it. Whether there are thanks.
pub(super) async fn visit(world: &World, form: &Form, who: &str) -> bool {
    let page = form.handle(&Request::default()).await;
    sleep(world.between(10 * SECOND, 60 * SECOND)).await;
    let body = format!(
        "email={who}%40example.com&first_name=&last_name=&consent=yes&website=&stamp={}",
        stamp(&page)
    );
    let request = http::Request::post("/").header("content-type", "application/x-www-form-urlencoded");
    let request = request.body(Bytes::from(body)).expect("a request");
    form.handle(&request).await.headers().get("location").is_some_and(|to| to == "/thanks")
}

fn stamp(page: &Response) -> String {
    let text = String::from_utf8_lossy(page.body());
    let (_, rest) = text.split_once("name=\"stamp\" value=\"").expect("the form has a stamp");
    rest.split('"').next().unwrap_or_default().to_owned()
}

struct Outside(Arc<World>);

#[async_trait]
impl Clock for Outside {
    fn now_ms(&self) -> u64 {
        self.0.timeline.unix_ms()
    }

    async fn sleep(&self, duration: Duration) {
        sleep(duration).await;
    }
}

#[async_trait]
impl Api for Outside {
    async fn send(&self, request: Request) -> Result<Response, Unanswered> {
        match self.0.carry(&request).await {
            Heard::Answer(response) => Ok(response),
            Heard::Nobody | Heard::Killed => Err(Unanswered("nobody is there".to_owned())),
        }
    }
}
