//! A filter that decides nothing, with the SDK, compiler, linker and exports of the real one: what
//! it costs is what any filter of this kind costs, whatever it does. By its configuration
//! (`{"work": "token"}`) it also calls the host as the real one must for a known token, or for one
//! that is not known, and does nothing with what it gets.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::hint::black_box;
use std::rc::Rc;
use std::time::Duration;

use proxy_wasm::hostcalls::{
    dequeue_shared_queue, dispatch_http_call, enqueue_shared_queue, get_buffer, get_current_time,
    get_map_bytes, get_map_value_bytes, register_shared_queue, resume_http_request,
    set_effective_context, set_map_value,
};
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, BufferType, ContextType, MapType};

const HEADERS: MapType = MapType::HttpRequestHeaders;

/// What is asked of the host for a request.
#[derive(Clone, Copy, Default, PartialEq)]
enum Work {
    #[default]
    Nothing,
    /// The token and the clock.
    Token,
    /// All headers and the clock: where method, path and token are looked at.
    Headers,
    /// The token and the clock, and two headers are set.
    Claims,
    /// The token and the clock, and an endpoint is asked by the root context, while the request
    /// waits.
    Asks,
}

impl Work {
    fn of(configuration: &[u8]) -> Self {
        let says = |word: &[u8]| configuration.windows(word.len()).any(|text| text == word);
        if says(b"token") {
            Self::Token
        } else if says(b"headers") {
            Self::Headers
        } else if says(b"claims") {
            Self::Claims
        } else if says(b"asks") {
            Self::Asks
        } else {
            Self::Nothing
        }
    }

    fn on_head(self) {
        let token = || black_box(get_map_value_bytes(HEADERS, "authorization"));
        let clock = || black_box(get_current_time());
        match self {
            // What waits fetches its token itself.
            Self::Nothing | Self::Asks => {}
            Self::Token => {
                let _ = (token(), clock());
            }
            Self::Headers => {
                let _ = (black_box(get_map_bytes(HEADERS)), clock());
            }
            Self::Claims => {
                let _ = (token(), clock());
                let _ = set_map_value(HEADERS, "x-consumer", Some("0192:910753282"));
                let _ = set_map_value(HEADERS, "x-client-id", Some("some-client"));
            }
        }
    }
}

/// Streams whose endpoint is to be asked, with the question, and those that wait, by callout.
#[derive(Default)]
struct Waiting {
    to_ask: VecDeque<(u32, Vec<u8>)>,
    asked: HashMap<u32, u32>,
}

#[derive(Default)]
struct Root {
    work: Work,
    queue: u32,
    waiting: Rc<RefCell<Waiting>>,
}

impl Context for Root {
    fn on_http_call_response(&mut self, callout: u32, headers: usize, size: usize, _: usize) {
        let _ = black_box(get_current_time());
        let _ = black_box(get_buffer(BufferType::HttpCallResponseBody, 0, size));
        if headers > 0 {
            let _ = black_box(get_map_value_bytes(
                MapType::HttpCallResponseHeaders,
                ":status",
            ));
        }
        let stream = self.waiting.borrow_mut().asked.remove(&callout);
        if stream.is_some_and(|stream| set_effective_context(stream).is_ok()) {
            let _ = resume_http_request();
        }
    }
}

impl RootContext for Root {
    fn on_configure(&mut self, size: usize) -> bool {
        let configuration = get_buffer(BufferType::PluginConfiguration, 0, size);
        let configuration = configuration.ok().flatten().unwrap_or_default();
        self.work = Work::of(&configuration);
        self.queue = register_shared_queue("noop").unwrap_or_default();
        true
    }

    fn on_queue_ready(&mut self, queue: u32) {
        let _ = dequeue_shared_queue(queue);
        let _ = black_box(get_current_time());
        let mut waiting = self.waiting.borrow_mut();
        while let Some((stream, question)) = waiting.to_ask.pop_front() {
            let headers = vec![
                (":method", "POST"),
                (":scheme", "http"),
                (":authority", "texas"),
                (":path", "/api/v1/introspect"),
                ("content-type", "application/json"),
                ("accept", "application/json"),
            ];
            let time = Duration::from_secs(20);
            if let Ok(callout) = dispatch_http_call("texas", headers, Some(&question), vec![], time)
            {
                waiting.asked.insert(callout, stream);
            }
        }
    }

    fn create_http_context(&self, id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream {
            id,
            work: self.work,
            queue: self.queue,
            waiting: Rc::clone(&self.waiting),
        }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

struct Stream {
    id: u32,
    work: Work,
    queue: u32,
    waiting: Rc<RefCell<Waiting>>,
}

impl Stream {
    fn ask(&self) -> Option<()> {
        let question = get_map_value_bytes(HEADERS, "authorization").ok()??;
        let _ = black_box(get_current_time());
        enqueue_shared_queue(self.queue, None).ok()?;
        let mut waiting = self.waiting.borrow_mut();
        waiting.to_ask.push_back((self.id, question));
        Some(())
    }
}

impl Context for Stream {}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        if self.work == Work::Asks && self.ask().is_some() {
            return Action::Pause;
        }
        self.work.on_head();
        Action::Continue
    }
}

proxy_wasm::main! {{
    proxy_wasm::set_root_context(|_| -> Box<dyn RootContext> { Box::<Root>::default() });
}}
