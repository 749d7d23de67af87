//! Locations: what is read from them, and that no password comes back out.
#![allow(clippy::unwrap_used, clippy::panic)]

use postgres::config::SslMode;

use super::{Location, place};
use crate::tls::Trust;

#[test]
fn modes_of_encryption() {
    let file = |path: &str| Trust::File(path.to_owned());
    for (query, mode, trust) in [
        ("", SslMode::Prefer, Trust::Anyone),
        ("?sslmode=disable", SslMode::Disable, Trust::Anyone),
        ("?sslmode=prefer", SslMode::Prefer, Trust::Anyone),
        ("?sslmode=require", SslMode::Require, Trust::Anyone),
        ("?sslmode=require&sslrootcert=%2Fetc%2Fa%20b.pem", SslMode::Require, file("/etc/a b.pem")),
        ("?sslmode=verify-full", SslMode::Require, Trust::Public),
        ("?sslrootcert=system&sslmode=verify-full", SslMode::Require, Trust::Public),
        ("?connect_timeout=3&sslmode=verify-full&sslrootcert=ca.pem", SslMode::Require, file("ca.pem")),
    ] {
        let location = Location::parse(&format!("postgres://ada:secret@db.example/docs{query}")).unwrap();
        assert_eq!((location.config.get_ssl_mode(), location.trust), (mode, trust), "{query}");
        assert_eq!(place(&location.config), "db.example:5432/docs", "{query}");
    }
}

#[test]
fn no_error_quotes_the_location() {
    for url in [
        "postgres://ada:se?cret@db.example/docs?sslmode=secret",
        "postgres://ada:se/cret@db.example:port/docs",
        "postgres://ada:secret@db.example/docs?sslmode=secret",
        "postgres://ada:secret@db.example/docs?secret=1",
        "postgres://ada:secret@db.example/docs?sslrootcert=%zzsecret",
    ] {
        let Err(error) = Location::parse(url) else { panic!("{url} was read") };
        let told = format!("{error:?}");
        assert!(!told.contains("cret@") && !told.contains("secret"), "{url}: {told}");
    }
}
