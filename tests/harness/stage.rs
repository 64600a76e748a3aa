// What the documentation's tests include: a folder with a store in which "shop" is connected to a sandbox, whose `GET /api/me`
// takes its tokens. The test itself is the `vestal` that connects it, where it is started with arguments.

use std::error::Error;
use std::io::Write as _;
use std::process::{Command, ExitCode, Stdio};
use std::sync::{Arc, Mutex};

use vestal_sandbox::{Client, Sandbox, Settings, serve};

fn on_stage(play: impl AsyncFnOnce(&str) -> Result<(), Box<dyn Error>>) -> ExitCode {
    if std::env::args().len() > 1 {
        return vestal::main();
    }
    let folder = tempfile::tempdir().unwrap();
    std::env::set_current_dir(&folder).unwrap();
    std::fs::write("vestal.toml", "[store]\npath = \"vestal.db\"\n").unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let settings = Settings::new(&issuer).client(Client::confidential("app", "secret"));
        let _server = serve(listener, Arc::new(Mutex::new(Sandbox::new(settings, 7)))).unwrap();
        let mut connect = Command::new(std::env::current_exe().unwrap())
            .args(["--config", "vestal.toml", "connect", "shop", "--grant", "client-credentials"])
            .args(["--provider", "custom", "--issuer", &issuer])
            .args(["--client-id", "app", "--client-secret-stdin"])
            .env_clear()
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        connect.stdin.take().unwrap().write_all(b"secret\n").unwrap();
        assert!(connect.wait().unwrap().success());
        play(&issuer).await.unwrap();
    });
    ExitCode::SUCCESS
}
