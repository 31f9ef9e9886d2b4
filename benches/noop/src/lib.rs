//! A filter that decides nothing, with the SDK, compiler, linker and exports of the real one: what
//! it costs is what any filter of this kind costs, whatever it does. By its configuration
//! (`{"work": "token"}`) it also calls the host as the real one must for a known token, and does
//! nothing with what it gets.

use std::hint::black_box;

use proxy_wasm::hostcalls::{
    get_buffer, get_current_time, get_map_bytes, get_map_value_bytes, set_map_value,
};
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, BufferType, ContextType, MapType};

const HEADERS: MapType = MapType::HttpRequestHeaders;

/// What is asked of the host for a request.
#[derive(Clone, Copy, Default)]
enum Work {
    #[default]
    Nothing,
    /// The token and the clock.
    Token,
    /// All headers and the clock: where method, path and token are looked at.
    Headers,
    /// The token and the clock, and two headers are set.
    Claims,
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
        } else {
            Self::Nothing
        }
    }

    fn on_head(self) {
        let token = || black_box(get_map_value_bytes(HEADERS, "authorization"));
        let clock = || black_box(get_current_time());
        match self {
            Self::Nothing => {}
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

#[derive(Default)]
struct Root(Work);

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, size: usize) -> bool {
        let configuration = get_buffer(BufferType::PluginConfiguration, 0, size);
        let configuration = configuration.ok().flatten().unwrap_or_default();
        self.0 = Work::of(&configuration);
        true
    }

    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream(self.0)))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

struct Stream(Work);

impl Context for Stream {}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        self.0.on_head();
        Action::Continue
    }
}

proxy_wasm::main! {{
    proxy_wasm::set_root_context(|_| -> Box<dyn RootContext> { Box::<Root>::default() });
}}
