/*! What a plugin may do wrong, wherever it is called. */

#![allow(clippy::panic, reason = "to panic is one of the deeds")]

use std::hint::black_box;

use vecferry_sdk::{Error, Host, Level, Method, Request, Result};

/// Does it. Most deeds do not return.
pub(crate) fn run(host: &Host, deed: &str) -> Result<()> {
    match deed {
        "spin" => spin(),
        "allocate" => allocate(),
        "allocate-politely" => allocate_politely(),
        "panic" => panic!("the shelf is on fire"),
        "index" => {
            black_box(Vec::<u32>::new())[black_box(7)] += 1;
            Ok(())
        }
        "recurse" => {
            black_box(recurse(0));
            Ok(())
        }
        "abort" => std::process::abort(),
        "huge-error" => Err(Error::corrupt("hostile/huge", "n".repeat(64 << 20))),
        "too-much" => Err(Error::corrupt("hostile/too-much", "n".repeat(300 << 20))),
        "escape" => Err(Error::corrupt("hostile/escape", "clear\u{1b}[2J the\rscreen").at("id", "\u{7}")),
        "hoard-files" => hoard_files(host),
        "use-many-files" => use_many_files(host),
        "busy-host" => loop {
            black_box(host.list_files()?);
        },
        "flood-log" => {
            for line in 0..100_000 {
                host.log(Level::Error, "flood", &[("line", line.to_string())]);
            }
            Ok(())
        }
        "read-outside" => host.open_file("../secret").map(drop),
        "read-absolute" => host.open_file("/etc/passwd").map(drop),
        "write-outside" => host.create_output("../escaped").map(drop),
        "use-files" => host.list_files().map(drop),
        "use-sqlite" => host.open_sqlite("a.sqlite").map(drop),
        "use-http" => {
            let url = "http://localhost:1/".into();
            let request = Request { method: Method::Get, url, headers: Vec::new(), body: Vec::new(), timeout_ms: None };
            host.send(request).map(drop)
        }
        "use-sink-files" => host.create_output("out").map(drop),
        other => Err(Error::config("hostile/deed", format!("no deed is called {other}"))),
    }
}

fn spin() -> Result<()> {
    let mut turns = 0_u64;
    loop {
        turns = black_box(turns.wrapping_add(1));
    }
}

fn allocate() -> Result<()> {
    let mut hoard = Vec::new();
    loop {
        hoard.push(black_box(vec![1_u8; 1 << 20]));
    }
}

/// Takes the refusal as an error, as a careful plugin does.
fn allocate_politely() -> Result<()> {
    let mut hoard: Vec<Vec<u8>> = Vec::new();
    loop {
        let mut block = Vec::new();
        if block.try_reserve_exact(1 << 20).is_err() {
            let blocks = hoard.len();
            drop(hoard);
            return Err(Error::unsupported("hostile/no-memory", format!("no memory behind {blocks} MiB")));
        }
        hoard.push(black_box(block));
    }
}

fn recurse(depth: u64) -> u64 {
    let frame = black_box([depth; 16]);
    let below = if black_box(true) { recurse(depth + 1) } else { 0 };
    below.wrapping_add(black_box(frame)[3])
}

fn hoard_files(host: &Host) -> Result<()> {
    let mut hoard = Vec::new();
    for _ in 0..100_000 {
        hoard.push(host.open_file("store.bin")?);
    }
    Ok(())
}

fn use_many_files(host: &Host) -> Result<()> {
    for _ in 0..10_000 {
        let file = host.open_file("store.bin")?;
        black_box(file.read_at(0, 16)?);
    }
    Ok(())
}
