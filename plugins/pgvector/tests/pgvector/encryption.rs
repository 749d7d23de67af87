//! Encryption, by a server that offers it in front of the real one.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::{ServerConfig, ServerConnection};
use serde_json::json;
use vecferry_plugin_pgvector::PgvectorSink;
use vecferry_sdk::{ErrorKind, SinkPlugin};

use crate::common::{host, server};

/// "SSLRequest" (PostgreSQL's manual, "Message Formats").
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// Answers on a port of this machine with encryption, and passes on what it hears.
struct Front {
    port: u16,
    encrypted: Arc<AtomicUsize>,
    certificate: tempfile::NamedTempFile,
}

impl Front {
    fn start() -> Front {
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let mut certificate = tempfile::NamedTempFile::new().unwrap();
        certificate.write_all(cert.pem().as_bytes()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], PrivatePkcs8KeyDer::from(signing_key.serialize_der()).into())
            .unwrap();
        let (config, encrypted) = (Arc::new(config), Arc::new(AtomicUsize::new(0)));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let front =
            Front { port: listener.local_addr().unwrap().port(), encrypted: Arc::clone(&encrypted), certificate };
        let socket = format!("{}/.s.PGSQL.5432", server().socket);
        thread::spawn(move || {
            for client in listener.incoming() {
                let (config, encrypted, socket) = (Arc::clone(&config), Arc::clone(&encrypted), socket.clone());
                // A client that breaks off is no fault here.
                thread::spawn(move || serve(client.unwrap(), config, &encrypted, &socket).ok());
            }
        });
        front
    }

    fn check(&self, host_name: &str, mode: &str) -> vecferry_sdk::Result<()> {
        let location = format!("postgres://postgres@{host_name}:{}/postgres?{mode}", self.port);
        PgvectorSink::check(&host(), &json!({"location": location}))
    }
}

fn serve(
    mut client: TcpStream,
    config: Arc<ServerConfig>,
    encrypted: &AtomicUsize,
    socket: &str,
) -> std::io::Result<()> {
    let mut head = [0; 8];
    client.read_exact(&mut head)?;
    let mut backend = UnixStream::connect(socket)?;
    if head != SSL_REQUEST {
        backend.write_all(&head)?;
        let (mut from, mut to) = (client.try_clone()?, backend.try_clone()?);
        thread::spawn(move || std::io::copy(&mut from, &mut to).ok());
        return std::io::copy(&mut backend, &mut client).map(drop);
    }
    client.write_all(b"S")?;
    let mut tls = ServerConnection::new(config).unwrap();
    tls.complete_io(&mut client)?;
    encrypted.fetch_add(1, Ordering::SeqCst);
    // One request at a time, as this client speaks: what it sent goes on, then what comes is sent back until it asks anew.
    client.set_nonblocking(true)?;
    backend.set_nonblocking(true)?;
    let mut block = [0; 16 << 10];
    loop {
        if tls.wants_write() {
            let _ = tls.write_tls(&mut client);
        }
        match tls.read_tls(&mut client) {
            Ok(0) => return Ok(()),
            Ok(_) => {
                tls.process_new_packets().map_err(std::io::Error::other)?;
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        while let Ok(read @ 1..) = tls.reader().read(&mut block) {
            backend.write_all(&block[..read])?;
        }
        match backend.read(&mut block) {
            Ok(0) => return Ok(()),
            Ok(read) => tls.writer().write_all(&block[..read])?,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => thread::yield_now(),
            Err(error) => return Err(error),
        }
    }
}

#[test]
fn modes_do_what_they_say() {
    let front = Front::start();
    let roots = format!("sslrootcert={}", front.certificate.path().display());
    let full = format!("sslmode=verify-full&{roots}");
    let required = format!("sslmode=require&{roots}");
    for (name, mode, passes, encrypted) in [
        ("localhost", "sslmode=disable", true, 0),
        ("localhost", "", true, 1),
        ("127.0.0.1", "sslmode=require", true, 1),
        ("localhost", &full, true, 1),
        ("localhost", &required, true, 1),
        // Another name than the certificate's; an authority that nobody knows.
        ("127.0.0.1", &full, false, 0),
        ("localhost", "sslmode=verify-full", false, 0),
    ] {
        let before = front.encrypted.load(Ordering::SeqCst);
        let answer = front.check(name, mode);
        let count = front.encrypted.load(Ordering::SeqCst) - before;
        match answer {
            Ok(()) => assert!(passes, "{name} {mode} passed"),
            Err(error) => {
                assert_eq!(
                    (error.kind, error.code.as_str(), passes),
                    (ErrorKind::Config, "pgvector/tls", false),
                    "{error:?}"
                );
            }
        }
        assert!(!passes || count == encrypted, "{name} {mode}: {count} encrypted connections");
    }
    let error = front.check("localhost", "sslmode=verify-full&sslrootcert=/nowhere.pem").unwrap_err();
    assert_eq!(error.code, "pgvector/sslrootcert");
}
