#![allow(clippy::all, clippy::pedantic, missing_docs, clippy::disallowed_methods, clippy::unwrap_used, clippy::print_stdout)]
use std::{sync::Arc, time::{Duration, Instant}};
use vestal_core::{clock::Clock, store::Store};
use vestal_store::{SqliteStore, conformance::{ManualClock, data}};
fn main() {
    let mode = std::env::args().nth(1).unwrap();
    if mode == "nothing" { return; }
    let t = Instant::now();
    let rt = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let t_rt = t.elapsed();
    rt.block_on(async move {
        let clock = Arc::new(ManualClock::new());
        let path = std::path::Path::new(&std::env::args().nth(2).unwrap()).to_owned();
        match mode.as_str() {
            "make" => {
                let s = SqliteStore::create_or_open(&path, clock).await.unwrap();
                s.add_client(&data::client(1)).await.unwrap();
                for n in 1..=5000 { s.add_connection(&data::connection(n), &[]).await.unwrap(); }
                s.close().await;
            }
            "hold" => {
                let s = SqliteStore::create_or_open(&path, clock).await.unwrap();
                s.check_writable().await.unwrap();
                println!("ready");
                std::thread::sleep(Duration::from_secs(20));
            }
            "writes" => {
                let s = Arc::new(SqliteStore::create_or_open(&path, clock).await.unwrap());
                let t = Instant::now();
                for n in 1..=200 { let c = s.connection(data::connection_id(n)).await.unwrap().unwrap(); s.update_connection(&data::update(&c)).await.unwrap(); }
                println!("200 writes, one after another: {:?} each", t.elapsed()/200);
                let t = Instant::now();
                let hs: Vec<_> = (201..=2200).map(|n| { let s=s.clone(); tokio::spawn(async move { let c = s.connection(data::connection_id(n)).await.unwrap().unwrap(); s.update_connection(&data::update(&c)).await.unwrap(); })}).collect();
                for h in hs { h.await.unwrap(); }
                println!("2000 writes at once (with a read each): {:?} each", t.elapsed()/2000);
                s.close().await;
            }
            _ => {
                let t = Instant::now();
                let s = SqliteStore::open(&path, clock).await.unwrap();
                let t1 = t.elapsed();
                let c = s.connection_named(&"connection-77".parse().unwrap()).await.unwrap().unwrap();
                let t2 = t.elapsed();
                assert_eq!(c.generation(), 1);
                if mode == "print" { println!("rt {t_rt:?} open {t1:?} open+read {t2:?}"); }
            }
        }
    });
}
