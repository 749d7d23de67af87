/*!
The server as tests and tools hold it: started on a free port of the loopback interface, stopped when dropped.
*/

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};

use crate::faults::Faults;
use crate::log::Log;
use crate::service::Service;
use crate::store::Record;
#[cfg(feature = "testing")]
use crate::validation::{Judge, Violation};

/// How a server is started.
#[derive(Clone, Debug)]
pub struct Options {
    /// The port; 0 takes a free one.
    pub port: u16,
    /// The key that every request must carry.
    pub api_key: String,
    /// Whether the service's rates hold, such as 100 upserts a second in one namespace. They depend on the clock.
    pub rates: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options { port: 0, api_key: "pinecone-local".to_owned(), rates: false }
    }
}

/// A running server. Dropping it ends it, with every connection; its records are gone.
pub struct Server {
    service: Arc<Service>,
    runtime: Option<Runtime>,
}

impl Server {
    /// Starts a server on 127.0.0.1. It answers once this returns.
    ///
    /// # Errors
    ///
    /// The port is taken, or threads cannot be started.
    pub fn start(options: Options) -> io::Result<Server> {
        Server::run(
            options,
            #[cfg(feature = "testing")]
            Judge::idle(),
        )
    }

    /// Starts a server that holds every request and every answer against Pinecone's OpenAPI files: what clients do
    /// wrong is in [`violations`](Server::violations), and dropping the server panics where it did wrong itself.
    ///
    /// # Errors
    ///
    /// Those of [`start`](Server::start).
    #[cfg(feature = "testing")]
    pub fn start_strict(options: Options) -> io::Result<Server> {
        Server::run(options, Judge::strict())
    }

    fn run(options: Options, #[cfg(feature = "testing")] judge: Judge) -> io::Result<Server> {
        let runtime =
            Builder::new_multi_thread().worker_threads(2).thread_name("pinecone-local").enable_all().build()?;
        let wanted = SocketAddr::from((Ipv4Addr::LOCALHOST, options.port));
        let listener = std::net::TcpListener::bind(wanted)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let listener = {
            let _inside = runtime.enter();
            TcpListener::from_std(listener)?
        };
        let service = Arc::new(Service {
            indexes: Default::default(),
            faults: Faults::default(),
            log: Log::default(),
            url: format!("http://{address}"),
            api_key: options.api_key,
            rates: options.rates.then(Default::default),
            #[cfg(feature = "testing")]
            judge,
        });
        runtime.spawn(accept(listener, Arc::clone(&service)));
        Ok(Server { service, runtime: Some(runtime) })
    }

    /// The control plane's address, `http://127.0.0.1:PORT`. An index's own is in its description.
    pub fn url(&self) -> &str {
        &self.service.url
    }

    /// The key that requests must carry.
    pub fn api_key(&self) -> &str {
        &self.service.api_key
    }

    /// What is to go wrong.
    pub fn faults(&self) -> &Faults {
        &self.service.faults
    }

    /// What was asked.
    pub fn log(&self) -> &Log {
        &self.service.log
    }

    /// Everything that was written to a namespace, visible to reads or not, in the order of the ids. The default
    /// namespace is `__default__` or the empty name. None where there is no such index.
    pub fn records(&self, index: &str, namespace: &str) -> Option<Vec<Record>> {
        self.service.records(index, namespace)
    }

    /// The names of an index's namespaces, sorted; the default one is `__default__`. None where there is no such index.
    pub fn namespaces(&self, index: &str) -> Option<Vec<String>> {
        self.service.namespaces(index)
    }

    /// What clients sent that Pinecone's OpenAPI files do not allow. Empty unless the server was started strict.
    #[cfg(feature = "testing")]
    pub fn violations(&self) -> Vec<Violation> {
        self.service.judge.by_clients()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
        #[cfg(feature = "testing")]
        if !std::thread::panicking() {
            let own = self.service.judge.by_server();
            assert!(own.is_empty(), "the local Pinecone gave answers that Pinecone does not give: {own:#?}");
        }
    }
}

async fn accept(listener: TcpListener, service: Arc<Service>) {
    loop {
        // A connection that ends before it is accepted, or a table of files that is full for now, ends no server.
        let Ok((stream, _)) = listener.accept().await else {
            tokio::task::yield_now().await;
            continue;
        };
        // Without it small answers wait for acknowledgements; where it cannot be set, they just are slower.
        let _ = stream.set_nodelay(true);
        let service = Arc::clone(&service);
        tokio::spawn(async move {
            let serve = service_fn(|request| service.serve(request));
            // An error here is a client that went away, or a connection that the schedule ended.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), serve).await;
        });
    }
}
