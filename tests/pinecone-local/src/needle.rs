/*!
Runs `needledb` (PyPI) for a test: a server of Pinecone's shape that nobody here wrote. Both planes share its port, and
an index's host is `URL/indexes/NAME`, as its description says.

It is started with the Python that `cargo xtask test` sets up (`VECFERRY_TEST_PYTHON`), in a folder of its own, and ends
with what is returned here.
*/

use std::env;
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// How long the server may take to start: it loads FAISS.
const START: Duration = Duration::from_secs(60);
/// How often it is asked whether it has.
const POLL: Duration = Duration::from_millis(50);
/// A port that was free may be taken before the server takes it.
const ATTEMPTS: usize = 3;
const API_KEY: &str = "needle-local";

/// A running needledb.
pub struct Needle {
    child: Child,
    address: SocketAddr,
    folder: TempDir,
}

/// The Python with the packages of `tests/requirements.txt`.
///
/// # Errors
///
/// `VECFERRY_TEST_PYTHON` is not set.
pub fn python() -> io::Result<PathBuf> {
    env::var_os("VECFERRY_TEST_PYTHON").map(PathBuf::from).ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::NotFound,
            "VECFERRY_TEST_PYTHON names no Python: run the tests with `cargo xtask test`, which sets it up",
        )
    })
}

impl Needle {
    /// Starts a server on a free port. It answers once this returns.
    ///
    /// # Errors
    ///
    /// There is no Python for tests, the server cannot be started, or it does not answer within a minute.
    pub fn start() -> io::Result<Needle> {
        let python = python()?;
        let mut last = io::Error::other("needledb was not started");
        for _ in 0..ATTEMPTS {
            match Needle::attempt(&python) {
                Ok(needle) => return Ok(needle),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn attempt(python: &PathBuf) -> io::Result<Needle> {
        let folder = tempfile::tempdir()?;
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let child = Command::new(python)
            .args(["-m", "needledb", "serve", "--log-level", "warning", "--api-key", API_KEY])
            .args(["--host", "127.0.0.1", "--port", &address.port().to_string()])
            .arg("--data")
            .arg(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()?;
        let mut needle = Needle { child, address, folder };
        let deadline = Instant::now() + START;
        while Instant::now() < deadline {
            if let Some(status) = needle.child.try_wait()? {
                return Err(io::Error::other(format!("needledb ended at its start: {status}")));
            }
            if needle.healthy() {
                return Ok(needle);
            }
            thread::sleep(POLL);
        }
        Err(io::Error::new(io::ErrorKind::TimedOut, format!("needledb did not answer within {START:?}")))
    }

    fn healthy(&self) -> bool {
        let ask = || -> io::Result<String> {
            let mut stream = TcpStream::connect_timeout(&self.address, POLL)?;
            stream.set_read_timeout(Some(Duration::from_secs(5)))?;
            write!(stream, "GET /health HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.address)?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer)
        };
        ask().is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
    }

    /// The control plane's address, `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The key that requests must carry, in the header `Api-Key`.
    pub fn api_key(&self) -> &str {
        API_KEY
    }

    /// Where it keeps its data, until it is dropped.
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }
}

impl Drop for Needle {
    fn drop(&mut self) {
        // It may have ended by itself; either way nothing is left to do about it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
